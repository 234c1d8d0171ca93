// Reads histories as JSON, one per line, and writes a verdict for each: Ok, Illegal or Unknown (it took too long).
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const timeout = 20 * time.Second

func main() {
	decoder := json.NewDecoder(os.Stdin)
	for {
		var history History
		err := decoder.Decode(&history)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(verdictOn(&history))
	}
}

func verdictOn(history *History) porcupine.CheckResult {
	operations := make([]porcupine.Operation, len(history.Operations))
	for i, op := range history.Operations {
		end := op.Return
		if op.IsUnknown {
			// It may be executed at any later time.
			end = math.MaxInt64
		}
		operations[i] = porcupine.Operation{ClientId: op.Caller, Input: i, Call: op.Call, Return: end}
	}
	return porcupine.CheckOperationsTimeout(modelOf(history), operations, timeout)
}
