/**
 * One hash tag for each bucket partition: tag n lies in slot ⌊(n + ½) · 16384 ÷ 64⌋, so that every contiguous range of slots
 * gets its share of the partitions. Found by counting up in base 36; a test recomputes the slots.
 */
// biome-ignore format: a table
export const BUCKET_TAGS: readonly string[] = [
  '53t', 'j3j', 'if5', 'kec', '574', '74b', 'akm', '6bk',
  '96a', 'frw', 'mj8', 'oin', 'd1i', '38o', 'mnx', 'xw',
  'he6', 'box', '40w', 'c9q', 'hav', '7ah', '447', '67a',
  '1js', 'fcu', '85b', 'm5', '1n3', '3me', 'e2j', 'iu',
  '712', '52d', 'cmk', '4dm', '75r', 'h5l', '11a0', 'ice',
  '3y7', '1za', '2k6', '8ax', 'wu7', '931', 'yg', '8e8',
  '7d8', '5gn', '621', '41g', 'jc0', 'qkn', '66q', 'i6o',
  '3h5', '1kc', '2z4', '84r', '3lu', 'des', 'he', '802',
]

const SLOTS = 16_384

/** For each bucket partition the slot that its tag lies in. */
export const BUCKET_SLOTS: readonly number[] = BUCKET_TAGS.map((_, n) =>
  Math.floor(((n + 0.5) * SLOTS) / BUCKET_TAGS.length),
)
