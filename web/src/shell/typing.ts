/// <reference lib="dom" />
/** Whether a key pressed there means a letter and not a command. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)) return true;
  return target instanceof HTMLInputElement && !/^(radio|checkbox|range|button|file)$/.test(target.type);
}
