import { type Command, Option } from 'commander';
import { CommandError, exitCodes } from './command-error.ts';

/** The flags of `run` that say in which container the command runs, as commander hands them over. */
export interface ContainerOptions {
  readonly image?: string;
  readonly volume?: readonly string[];
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly boundaryImage?: string;
  readonly keep?: true;
}

export function addContainerOptions(command: Command): Command {
  return command
    .optionsGroup('With --isolation container:')
    .option('--image <image>', 'the image that the command runs in; pulled where the engine lacks it')
    .addOption(
      new Option(
        '--volume <source:target[:ro]>',
        'mount a path of this machine, or a volume, in the container; repeatable',
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--env <name[=value]>',
        "set a variable for the command; without a value it is handed on from boundary's own; repeatable",
      ).argParser(collect),
    )
    .option('--workdir <dir>', "the directory that the command starts in, by default the image's")
    .option('--user <user>', "whom the command runs as, NAME or UID[:GID], by default the image's user")
    .addOption(
      new Option(
        '--boundary-image <image>',
        "the boundary's own image, by default ghcr.io/coder/boundary-sidecar of this version",
      ).env('BOUNDARY_IMAGE'),
    )
    .option('--keep', 'at the end stop the containers and leave them, to be looked at')
    .optionsGroup('Options:');
}

/** What {@link addContainerOptions} adds means nothing without a container: a flag that does nothing is a mistake. */
export function refuseWithoutContainer(options: ContainerOptions): void {
  const flags = Object.entries({
    '--image': options.image,
    '--volume': options.volume,
    '--env': options.env,
    '--workdir': options.workdir,
    '--user': options.user,
    '--keep': options.keep,
  });
  const [given] = flags.find(([, value]) => value !== undefined) ?? [];
  if (given === undefined) return;
  throw new CommandError(
    `${given} is for a command in a container, and this one would run on the machine itself; add --isolation container, or leave ${given} out`,
    exitCodes.notStarted,
  );
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
