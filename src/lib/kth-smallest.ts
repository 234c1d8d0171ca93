/**
 * The k-th smallest of the first `size` values, counted from 0. Reorders them.
 * @see https://en.wikipedia.org/wiki/Quickselect
 */
export function kthSmallest(values: Float64Array, size: number, k: number): number {
  let low = 0
  let high = size - 1
  while (low < high) {
    // A random pivot, so that no order of the values makes it slow.
    const pivot = values[low + Math.floor(Math.random() * (high - low + 1))] as number
    const [left, right] = partition(values, low, high, pivot)
    if (k <= right) high = right
    else if (k >= left) low = left
    else break
  }
  return values[k] as number
}

/** Hoare's partition: returns where the values of at least, and of at most, the pivot begin and end. */
function partition(values: Float64Array, low: number, high: number, pivot: number): readonly [number, number] {
  let left = low
  let right = high
  while (left <= right) {
    while ((values[left] as number) < pivot) left++
    while ((values[right] as number) > pivot) right--
    if (left > right) break
    const value = values[left] as number
    values[left++] = values[right] as number
    values[right--] = value
  }
  return [left, right]
}
