/** An exact rational number of any size. Tests count with it where the service counts with integers below 2^53. */
export class Fraction {
  readonly #numerator: bigint
  /** Above 0. */
  readonly #denominator: bigint

  constructor(numerator: bigint | number, denominator: bigint | number = 1n) {
    this.#numerator = BigInt(numerator)
    this.#denominator = BigInt(denominator)
  }

  plus(other: Fraction): Fraction {
    const numerator = this.#numerator * other.#denominator + other.#numerator * this.#denominator
    return new Fraction(numerator, this.#denominator * other.#denominator).#reduced()
  }

  minus(other: Fraction): Fraction {
    return this.plus(new Fraction(-other.#numerator, other.#denominator))
  }

  times(other: Fraction): Fraction {
    return new Fraction(this.#numerator * other.#numerator, this.#denominator * other.#denominator).#reduced()
  }

  /** @param other above 0 */
  over(other: Fraction): Fraction {
    return this.times(new Fraction(other.#denominator, other.#numerator))
  }

  isBelow(other: Fraction): boolean {
    return this.#numerator * other.#denominator < other.#numerator * this.#denominator
  }

  atMost(other: Fraction): Fraction {
    return other.isBelow(this) ? other : this
  }

  atLeast(other: Fraction): Fraction {
    return this.isBelow(other) ? other : this
  }

  floor(): bigint {
    const whole = this.#numerator / this.#denominator
    return whole * this.#denominator > this.#numerator ? whole - 1n : whole
  }

  ceil(): bigint {
    return -new Fraction(-this.#numerator, this.#denominator).floor()
  }

  #reduced(): Fraction {
    const divisor = divisorOf(this.#numerator < 0n ? -this.#numerator : this.#numerator, this.#denominator)
    return new Fraction(this.#numerator / divisor, this.#denominator / divisor)
  }
}

export const ZERO = new Fraction(0n)

/** The greatest common divisor. */
export function divisorOf(a: bigint, b: bigint): bigint {
  return b === 0n ? a : divisorOf(b, a % b)
}
