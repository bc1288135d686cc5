// Numbers as people read them.

/** A probability as a percentage that never claims certainty. */
export function percent(probability: number): string {
  if (probability < 0.01) return '<1%'
  if (probability > 0.99) return '>99%'
  return `${Math.round(probability * 100)}%`
}

/** A contribution with its sign, the minus a real one. */
export function signed(value: number): string {
  return (value < 0 ? '−' : '+') + Math.abs(value).toFixed(2)
}

export function count(n: number): string {
  return n.toLocaleString('en')
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`
  return n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`
}
