import {
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
  YAMLException,
} from 'js-yaml';
import { type Faults, type Place, quoted } from './faults.ts';
import { syntaxMessage } from './syntax-message.ts';
import { type Scalar, scalarOf } from './yaml-scalar.ts';

interface NodeBase {
  readonly at: Place;
}
export interface ScalarNode extends NodeBase, Scalar {
  readonly kind: 'scalar';
}
export interface SequenceNode extends NodeBase {
  readonly kind: 'sequence';
  readonly items: readonly YamlNode[];
}
export interface MappingNode extends NodeBase {
  readonly kind: 'mapping';
  readonly entries: readonly { readonly key: YamlNode; readonly value: YamlNode }[];
}
/** One value of a YAML document with the place where it begins. Where it came by an alias: the alias's place. */
export type YamlNode = ScalarNode | SequenceNode | MappingNode;

/** How many nodes aliases may add to a document. A bomb multiplies; a person repeats a list or two. */
const MOST_ALIASED_NODES = 10_000;

/**
 * Reads the one YAML 1.2 document of a source. Null for an empty one, and where a fault leaves nothing that could be
 * read; after lesser faults the rest is returned, so that all can be told in one go. A byte order mark and any line break are fine.
 */
export function readDocument(text: string, faults: Faults): YamlNode | null {
  const places = new Places(text);
  const broken = text.search(/\ufffd|\p{Surrogate}/u);
  if (broken !== -1) {
    faults.add(places.at(broken), 'found bytes that are not UTF-8. Save the file as UTF-8.');
    return null;
  }
  let events: Event[];
  try {
    events = parseEvents(text, { filename: faults.file });
  } catch (error) {
    const at = places.at(error instanceof YAMLException ? (error.mark?.position ?? 0) : 0);
    const reason = error instanceof YAMLException ? error.reason : String(error);
    faults.add(at, syntaxMessage(reason, places.line(at.line)));
    return null;
  }
  try {
    return new TreeBuilder(text, events, places, faults).build();
  } catch (error) {
    faults.add({ line: 1, column: 1 }, `the YAML cannot be read: ${String(error)}`);
    return null;
  }
}

/** From offsets in the text to lines and columns. */
class Places {
  readonly #text: string;
  readonly #starts: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    for (const match of text.matchAll(/\r\n|\n|\r/g)) this.#starts.push(match.index + match[0].length);
  }

  at(offset: number): Place {
    let low = 0;
    for (let high = this.#starts.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const start = this.#starts[low] ?? 0;
    // The byte order mark is no column of the first line.
    const mark = low === 0 && offset > 0 && this.#text.charCodeAt(0) === 0xfeff ? 1 : 0;
    return { line: low + 1, column: Math.max(0, offset - start - mark) + 1 };
  }

  line(number: number): string {
    return this.#text.slice(this.#starts[number - 1] ?? 0, this.#starts[number]).replace(/[\r\n]+$/, '');
  }
}

class TreeBuilder {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #places: Places;
  readonly #faults: Faults;
  readonly #anchors = new Map<string, { readonly node: YamlNode; readonly size: number }>();
  #next = 0;
  /** Where an empty value stands: after what was read last. */
  #offset = 0;
  #nodes = 0;
  #aliased = 0;
  #exploded = false;

  constructor(text: string, events: readonly Event[], places: Places, faults: Faults) {
    this.#text = text;
    this.#events = events;
    this.#places = places;
    this.#faults = faults;
  }

  build(): YamlNode | null {
    if (this.#take() === undefined) return null;
    const node = this.#peek() === EVENT_ID.POP ? null : this.#node();
    this.#take();
    if (this.#peek() !== undefined) {
      this.#faults.add(
        this.#secondDocument(),
        'found a second YAML document after "---". A policy is one document; merge the two.',
      );
    }
    return this.#exploded ? null : node;
  }

  #take(): Event | undefined {
    return this.#events[this.#next++];
  }

  #peek(): Event['type'] | undefined {
    return this.#events[this.#next]?.type;
  }

  /** Document events carry no offsets: the marker is looked for after what was read of the first document. */
  #secondDocument(): Place {
    const marker = /^(?:---|\.\.\.)/gm;
    marker.lastIndex = this.#offset;
    return this.#places.at(marker.exec(this.#text)?.index ?? this.#offset);
  }

  #node(): YamlNode {
    const event = this.#take();
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        return this.#anchored(event, this.#nodes, this.#scalar(event));
      case EVENT_ID.SEQUENCE: {
        const before = this.#nodes;
        return this.#anchored(event, before, this.#sequence(event));
      }
      case EVENT_ID.MAPPING: {
        const before = this.#nodes;
        return this.#anchored(event, before, this.#mapping(event));
      }
      case EVENT_ID.ALIAS:
        return this.#alias(event.anchorStart, event.anchorEnd);
      default:
        throw new TypeError(`an event of type ${event?.type} where a value was expected`);
    }
  }

  #scalar(event: ScalarEvent): ScalarNode {
    this.#nodes += 1;
    if (event.valueStart === -1) {
      return { kind: 'scalar', at: this.#places.at(this.#offset), text: '', type: 'null' };
    }
    const text = getScalarValue(this.#text, event);
    const quote = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
    const at = this.#places.at(event.valueStart - (quote ? 1 : 0));
    this.#offset = event.valueEnd;
    const control = /[\p{Cc}\u2028\u2029\p{Surrogate}]/u.exec(text)?.[0];
    if (control !== undefined) {
      const code = control.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
      this.#faults.spoil(
        at,
        `${quoted(text)} holds the control character U+${code}. Expected one line of plain text.`,
      );
    }
    return { kind: 'scalar', at, ...scalarOf(text, event.style === SCALAR_STYLE.PLAIN) };
  }

  #sequence(event: SequenceEvent): SequenceNode {
    this.#nodes += 1;
    this.#offset = event.start;
    const items: YamlNode[] = [];
    while (this.#peek() !== EVENT_ID.POP) {
      const next = this.#events[this.#next];
      if (next?.type === EVENT_ID.SCALAR && next.valueStart === -1) this.#toDash();
      items.push(this.#node());
    }
    this.#take();
    return { kind: 'sequence', at: this.#places.at(event.start), items };
  }

  /** An empty item of a block list stands right behind its dash, for which there is no event. */
  #toDash(): void {
    const between = /(?:[\s{}[\],:"']|#[^\r\n]*)*-(?=\s|$)/y;
    between.lastIndex = this.#offset;
    if (between.test(this.#text)) this.#offset = between.lastIndex;
  }

  #mapping(event: MappingEvent): MappingNode {
    this.#nodes += 1;
    this.#offset = event.start;
    const entries: { key: YamlNode; value: YamlNode }[] = [];
    while (this.#peek() !== EVENT_ID.POP) entries.push({ key: this.#node(), value: this.#node() });
    this.#take();
    return { kind: 'mapping', at: this.#places.at(event.start), entries };
  }

  #anchored<T extends YamlNode>(
    event: ScalarEvent | SequenceEvent | MappingEvent,
    before: number,
    node: T,
  ): T {
    if (event.tagStart !== -1) {
      const tag = this.#text.slice(event.tagStart, event.tagEnd);
      this.#faults.add(this.#places.at(event.tagStart), `found the YAML tag ${quoted(tag)}. Remove it.`);
    }
    if (event.anchorStart !== -1) {
      const name = this.#text.slice(event.anchorStart, event.anchorEnd);
      this.#anchors.set(name, { node, size: Math.max(1, this.#nodes - before) });
    }
    return node;
  }

  #alias(start: number, end: number): YamlNode {
    // Events give the name alone; the asterisk stands before it.
    const at = this.#places.at(start - 1);
    this.#offset = end;
    const name = this.#text.slice(start, end);
    const found = this.#anchors.get(name);
    if (found === undefined) {
      const text = `*${name}`;
      this.#faults.spoil(
        at,
        `found the YAML alias ${quoted(text)}, which nothing defines. A text that starts with "*" needs quotes: write "${text}".`,
      );
      return { kind: 'scalar', at, text, type: 'text' };
    }
    this.#nodes += found.size;
    this.#aliased += found.size;
    if (this.#aliased <= MOST_ALIASED_NODES) return { ...found.node, at };
    if (!this.#exploded) {
      this.#exploded = true;
      this.#faults.add(
        at,
        `aliases blow this document up to more than ${MOST_ALIASED_NODES} values (an anchor bomb). Write the values out.`,
      );
    }
    return { kind: 'scalar', at, text: '', type: 'null' };
  }
}
