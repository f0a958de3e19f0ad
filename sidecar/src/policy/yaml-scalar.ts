import { boolCoreTag, floatCoreTag, intCoreTag, NOT_RESOLVED, nullCoreTag } from 'js-yaml';

/** A scalar's text and what YAML 1.2's core schema (section 10.3.2) takes it for. */
export interface Scalar {
  readonly text: string;
  readonly type: 'text' | 'number' | 'boolean' | 'null';
  /** The number or boolean, where `type` says that it is one. */
  readonly data?: number | boolean;
}

/** Only plain scalars are anything but text: what is quoted is text, whatever it looks like. */
export function scalarOf(text: string, plain: boolean): Scalar {
  if (!plain) return { text, type: 'text' };
  if (nullCoreTag.resolve(text, false, nullCoreTag.tagName) !== NOT_RESOLVED) return { text, type: 'null' };
  const truth = boolCoreTag.resolve(text, false, boolCoreTag.tagName);
  if (truth !== NOT_RESOLVED) return { text, type: 'boolean', data: truth };
  for (const tag of [intCoreTag, floatCoreTag]) {
    const number = tag.resolve(text, false, tag.tagName);
    if (number !== NOT_RESOLVED) return { text, type: 'number', data: number };
  }
  return { text, type: 'text' };
}
