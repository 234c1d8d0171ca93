/**
 * Matches a media type, with UTF-8 as its charset if it names one. No white space matches in two ways: the time would grow with the
 * square of its length.
 * @param type source of a regular expression
 */
export function inUtf8(type: string): RegExp {
  return new RegExp(`^${type}\\s*(;\\s*charset\\s*=\\s*"?utf-?8"?\\s*)?(;\\s*)?$`, 'i')
}
