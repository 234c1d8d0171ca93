/** Exact arithmetic on integers from 0 to 2^53 − 1, where `/` alone would round. */

/** ⌊a ÷ b⌋ */
export function floorDiv(a: number, b: number): number {
  return (a - (a % b)) / b
}

/** ⌈a ÷ b⌉ */
export function ceilDiv(a: number, b: number): number {
  const rest = a % b
  return rest === 0 ? a / b : (a - rest) / b + 1
}

export function greatestCommonDivisor(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y !== 0) [x, y] = [y, x % y]
  return x
}

/** Whether a ÷ b < c ÷ d, even if both quotients round to the same number. */
export function isSmallerRatio(a: number, b: number, c: number, d: number): boolean {
  const [x, y] = [a / b, c / d]
  return x === y ? BigInt(a) * BigInt(d) < BigInt(c) * BigInt(b) : x < y
}
