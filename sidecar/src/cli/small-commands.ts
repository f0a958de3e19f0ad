/** The commands that need neither policy nor proxy, which `small-program.ts` runs by itself. */
export const SMALL_COMMANDS: ReadonlySet<string> = new Set(['gate', 'submit', 'health', 'doctor']);
