const wide = matchMedia('(min-width: 48rem)')

/** Opens the panels above the table, or folds them where they would push the table out of view. */
export function foldWhereNarrow (): void {
  const fold = () => {
    for (const panel of document.querySelectorAll<HTMLDetailsElement>('details.panel')) panel.open = wide.matches
  }
  wide.addEventListener('change', fold)
  fold()
}
