/** What somebody called something, as part of a file's name: letters, digits and `_.@-`; nothing leads to another folder. */
export function fileWord(name: string): string {
  return name.replaceAll(/[^\w.@-]/g, "_");
}
