package main

import "github.com/anishathalye/porcupine"

const (
	maxKeys         = 4
	maxReservations = 64
)

// History is what several callers asked and were answered at the same time. No limit of it refills.
type History struct {
	// Capacity is that of the token bucket of each key.
	Capacity []int
	// Slots is the concurrency limit of each key; 0: none.
	Slots      []int
	Operations []Operation
}

// Operation is one call. Times are in nanoseconds.
type Operation struct {
	Caller int
	Call   int64
	Return int64
	// Kind is check, all, reserve, settle or release.
	Kind string
	// Keys are the indexes of the keys that it names, with the tokens of each.
	Keys   []int
	Tokens []int
	// Reservation is the number of the reservation that it makes, makes again or ends.
	Reservation int
	// IsUnknown is set if no answer arrived: the call may have been executed or not.
	IsUnknown bool
	Status    int
	// Remaining is what was left of the bucket of each key.
	Remaining []int
	// Charged is what a settlement charged to each key.
	Charged []int
}

type phase uint8

const (
	none phase = iota
	held
	settled
	released
)

// reservation is comparable, like the whole state, so that states are compared by value.
type reservation struct {
	phase phase
	// The indexes of the operations that made it and that settled it.
	madeBy    int16
	settledBy int16
}

type state struct {
	// owed counts spent tokens and debt.
	owed [maxKeys]int
	held [maxKeys]int
	// count is the number of reservations that hold something.
	count        [maxKeys]int
	reservations [maxReservations]reservation
}

// modelOf is the specification of reservations of one history, in which every call happens at one moment.
func modelOf(history *History) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{state{}} },
		Step: func(from, input, _ interface{}) []interface{} {
			before, index := from.(state), input.(int)
			after, isRight := history.step(before, index)
			if history.Operations[index].IsUnknown {
				return []interface{}{before, after}
			}
			if !isRight {
				return nil
			}
			return []interface{}{after}
		},
	}
	return model.ToModel()
}

// step returns the state after an operation, and whether its answer is right.
func (h *History) step(s state, index int) (state, bool) {
	op := &h.Operations[index]
	switch op.Kind {
	case "check", "all":
		return h.check(s, op)
	case "reserve":
		return h.reserve(s, op, index)
	case "settle":
		return h.settle(s, op, index)
	default:
		return h.release(s, op)
	}
}

func (h *History) check(s state, op *Operation) (state, bool) {
	if !h.allows(s, op, false) {
		return s, op.Status == 429 && h.isLeft(s, op)
	}
	for i, key := range op.Keys {
		s.owed[key] += op.Tokens[i]
	}
	return s, op.Status == 200 && h.isLeft(s, op)
}

func (h *History) reserve(s state, op *Operation, index int) (state, bool) {
	if s.reservations[op.Reservation].phase != none {
		return s, op.Status == 201
	}
	if !h.allows(s, op, true) {
		return s, op.Status == 429 && h.isLeft(s, op)
	}
	for i, key := range op.Keys {
		s.held[key] += op.Tokens[i]
		s.count[key]++
	}
	s.reservations[op.Reservation] = reservation{phase: held, madeBy: int16(index)}
	return s, op.Status == 201 && h.isLeft(s, op)
}

func (h *History) settle(s state, op *Operation, index int) (state, bool) {
	r := &s.reservations[op.Reservation]
	switch r.phase {
	case none:
		return s, op.Status == 404
	case released:
		return s, op.Status == 409
	case settled:
		// The first settlement has not always been answered. Each has the same charges.
		if !equal(h.Operations[r.settledBy].Tokens, op.Tokens) {
			return s, op.Status == 409
		}
		return s, op.Status == 200
	}
	h.free(&s, r)
	charged := make([]int, len(op.Keys))
	for i, key := range op.Keys {
		charged[i] = min(op.Tokens[i], 2*h.Capacity[key]-s.owed[key])
		s.owed[key] += charged[i]
	}
	r.phase, r.settledBy = settled, int16(index)
	return s, op.Status == 200 && equal(charged, op.Charged)
}

func (h *History) release(s state, op *Operation) (state, bool) {
	r := &s.reservations[op.Reservation]
	switch r.phase {
	case none:
		return s, op.Status == 404
	case settled:
		return s, op.Status == 409
	case held:
		h.free(&s, r)
		r.phase = released
	}
	return s, op.Status == 204
}

func (h *History) free(s *state, r *reservation) {
	made := &h.Operations[r.madeBy]
	for i, key := range made.Keys {
		s.held[key] -= made.Tokens[i]
		s.count[key]--
	}
}

func (h *History) allows(s state, op *Operation, reserves bool) bool {
	for i, key := range op.Keys {
		if reserves && h.Slots[key] > 0 && s.count[key] >= h.Slots[key] {
			return false
		}
		if op.Tokens[i] == 0 && s.owed[key] > h.Capacity[key] {
			return false
		}
		if op.Tokens[i] > 0 && h.left(s, key) < op.Tokens[i] {
			return false
		}
	}
	return true
}

func (h *History) left(s state, key int) int {
	return h.Capacity[key] - s.owed[key] - s.held[key]
}

func (h *History) isLeft(s state, op *Operation) bool {
	for i, key := range op.Keys {
		if op.Remaining[i] != max(0, h.left(s, key)) {
			return false
		}
	}
	return true
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
