import { CommandError, exitCodes } from './command-error.ts';
import { confinesMessage, type PolicyOrigin, type PolicyOriginOptions, takeUp } from './policy-origin.ts';
import { reloadOnChange } from './policy-reload.ts';
import { nothingAllowedWarning, readPolicy, tellFaults } from './policy-source.ts';
import { writeError } from './terminal.ts';

/**
 * The policy of files and flags, which is read again when its file changes.
 * @throws CommandError where they make none
 */
export function policyOfFiles(options: PolicyOriginOptions, env: NodeJS.ProcessEnv): PolicyOrigin {
  const request = { options, env, upstreamProxy: options.upstreamProxy !== undefined };
  const reading = readPolicy(request);
  if (!reading.result.ok) {
    tellFaults(reading.result.faults);
    throw new CommandError('the policy has faults (above); not started');
  }
  const { path, result } = reading;
  const { policy, warnings } = result;
  if (policy.confines.length > 0) throw new CommandError(confinesMessage(policy), exitCodes.failed);
  tellFaults(warnings, 'warning: ');
  if (policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(path, env)}`);
  return {
    first: result,
    async follow(engine, upstreamProxy) {
      const stays = (why: string) => writeError(`boundary: ${why}; the policy that was in force stays`);
      const reload = reloadOnChange({
        path,
        // The file that was found at the start, also where an earlier default has appeared since.
        read: () =>
          readPolicy(path === null ? request : { ...request, options: { ...options, config: path } }).result,
        accepted(loaded) {
          const refused = takeUp(engine, loaded, options.upstreamProxy, upstreamProxy);
          if (refused !== null) stays(refused);
        },
        refused({ faults }) {
          tellFaults(faults);
          engine.metrics.policyReload('refused');
          stays('the new policy has faults (above)');
        },
      });
      return { now: () => reload.now(), close: async () => reload.close() };
    },
  };
}
