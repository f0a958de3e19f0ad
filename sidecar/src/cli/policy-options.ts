import { type Command, Option } from 'commander';
import type { Mode } from '../policy/types.ts';

/** The flags that say which policy holds, as commander hands them over. */
export interface PolicyOptions {
  readonly config?: string;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly mode?: Mode;
}

/** `--config`, `--allow`, `--deny`, and where a policy is put to work `--mode`. */
export function addPolicyOptions(command: Command, withMode: boolean): Command {
  command.addOption(
    new Option(
      '-c, --config <file>',
      'the policy; without it $BOUNDARY_CONFIG, ~/.config/boundary/boundary.yaml or ~/.config/coder_boundary/config.yaml, whichever is there first',
    ),
  );
  return addRuleOptions(command, withMode);
}

/** What stands beside a policy's file: `--allow`, `--deny`, `--mode`. */
export function addRuleOptions(command: Command, withMode = true): Command {
  command
    .addOption(
      new Option('--allow <rule>', 'allow this as well, such as "domain=github.com"; repeatable').argParser(
        collect,
      ),
    )
    .addOption(new Option('--deny <rule>', 'deny this in any case; repeatable').argParser(collect));
  if (withMode) {
    command.addOption(
      new Option('--mode <mode>', 'enforce the rules, or only log what they would deny')
        .choices(['enforce', 'audit'])
        .env('BOUNDARY_MODE'),
    );
  }
  return command;
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/**
 * The rules of BOUNDARY_ALLOW or BOUNDARY_DENY, one per line. They add to those of the flags: of rules that all hold,
 * none beats another.
 */
export function rulesOfEnvironment(value: string | undefined): readonly string[] {
  return (value ?? '').split('\n').filter((line) => line.trim() !== '');
}
