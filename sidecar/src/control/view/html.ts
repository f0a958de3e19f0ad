import { printable } from '../../audit/text.ts';

/** A piece of HTML. Only {@link html} makes one, so that text never becomes markup. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = Html | readonly Html[] | string | number | null;

/**
 * A template for HTML: what is put in is text, with everything that HTML or a reader's eye could take for something else
 * escaped, unless it is HTML already. Null is nothing. Attributes have to be quoted.
 */
export function html(pieces: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = pieces[0] ?? '';
  values.forEach((value, index) => {
    text += markup(value) + (pieces[index + 1] ?? '');
  });
  return new Html(text);
}

function markup(value: HtmlValue): string {
  if (value === null) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(({ text }) => text).join('');
  return escaped(String(value));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (mark) => entities[mark] ?? '');
}
