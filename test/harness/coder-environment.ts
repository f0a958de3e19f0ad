/** What the coder provider reads from its environment when coderd starts Terraform; here without coderd. */
export interface CoderBuild {
  /** A UUID. */
  readonly workspaceId: string;
  readonly workspace?: string;
  readonly owner?: string;
  readonly transition?: 'start' | 'stop';
  readonly accessUrl?: string;
  /** New for every build of a real workspace. */
  readonly sessionToken?: string;
  /** What becomes the agent's init script; coderd's own fetches and starts the agent. */
  readonly initScript?: string;
}

/** Node's name for a processor, as the coder provider has it. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** SHA-256 of nothing: for an agent without name, as long as its workspace runs. */
const RUNNING_AGENT = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** The variables of one build. Everything that would differ from run to run is fixed, so that plans can be compared. */
export function coderEnvironment(build: CoderBuild): Record<string, string> {
  const owner = build.owner ?? 'alice';
  const arch = ARCHITECTURES[process.arch] ?? process.arch;
  return {
    CODER_AGENT_URL: build.accessUrl ?? 'http://127.0.0.1:7080',
    CODER_WORKSPACE_TRANSITION: build.transition ?? 'start',
    CODER_WORKSPACE_ID: build.workspaceId,
    CODER_WORKSPACE_NAME: build.workspace ?? 'dev',
    CODER_WORKSPACE_OWNER: owner,
    CODER_WORKSPACE_OWNER_ID: '5f1d0a8e-92ab-4c53-8e3d-1e4c8a4a8f10',
    CODER_WORKSPACE_OWNER_NAME: owner,
    CODER_WORKSPACE_OWNER_EMAIL: `${owner}@example.com`,
    CODER_WORKSPACE_OWNER_SESSION_TOKEN: build.sessionToken ?? 'session',
    [`CODER_AGENT_SCRIPT_linux_${arch}`]: build.initScript ?? 'exec sleep infinity',
    [`CODER_RUNNING_WORKSPACE_AGENT_TOKEN_${RUNNING_AGENT}`]: '0d4a0c1e-77a1-4b9c-9f0e-6f0a2b1c3d4e',
  };
}
