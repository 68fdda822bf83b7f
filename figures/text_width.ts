/** Pixels that a text takes, about: figures are laid out where nothing can be measured. Rather too wide than too narrow. */

const NARROW = /[iljtfrI.,:;'"|!()[\] ]/;
const WIDE = /[mwMW@%—…]|\p{Lu}/u;
/** East Asian letters and pictures fill their square. */
const FULL =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Extended_Pictographic}/u;

/** `size`: of the font, in pixels. */
export function textWidth(text: string, size: number): number {
  let width = 0;
  for (const letter of text) {
    width += FULL.test(letter) ? 1.05 : NARROW.test(letter) ? 0.38 : WIDE.test(letter) ? 0.82 : 0.62;
  }
  return width * size;
}

/** The text, or as much of its beginning as fits. */
export function cut(text: string, size: number, most: number): string {
  if (textWidth(text, size) <= most) return text;
  let kept = "";
  for (const letter of text) {
    if (textWidth(`${kept}${letter}…`, size) > most) break;
    kept += letter;
  }
  return `${kept}…`;
}

/** The words in lines of at most `most` pixels; a longer word has a line of its own. */
export function wrap(text: string, size: number, most: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`, size) <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
