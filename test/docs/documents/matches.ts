/** Whether a text is what a document shows of it: there, `…` stands for anything, and white space does not count. */
export function matches (text: string, shown: string): boolean {
  const pattern = shown.replace(/\s+/g, '').split('…').map(part => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return RegExp(`^${pattern.join('.*')}$`, 's').test(text.replace(/\s+/g, ''))
}
