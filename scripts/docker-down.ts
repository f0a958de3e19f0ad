/** Removes everything that scripts/docker-up.ts made: containers, network, volumes, the home's too, and the state. */
import { rmSync } from 'node:fs';
import { DIRECTORY, sweep } from './local-workspace.ts';

// By label rather than by Terraform: that works without its state too, after `make clean`.
sweep();
rmSync(DIRECTORY, { recursive: true, force: true });
