/**
 * Longest path that a Unix socket may have, in bytes.
 * @see https://man7.org/linux/man-pages/man7/unix.7.html, which limits it to 108 bytes with its final zero
 */
export const MAX_SOCKET_PATH_BYTES = 107
