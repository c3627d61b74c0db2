package results

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// What a condition sees.
type conditionEnv struct {
	MSH        conditionHeader                `expr:"msh"`
	Field      func(string) (string, error)   `expr:"field"`
	Fields     func(string) ([]string, error) `expr:"fields"`
	Providers  []string                       `expr:"providers"`
	Account    string                         `expr:"account"`
	Critical   bool                           `expr:"critical"`
	Correction bool                           `expr:"correction"`
}

type conditionHeader struct {
	Type              string `expr:"type"`
	Trigger           string `expr:"trigger"`
	Version           string `expr:"version"`
	SendingApp        string `expr:"sending_app"`
	SendingFacility   string `expr:"sending_facility"`
	ReceivingApp      string `expr:"receiving_app"`
	ReceivingFacility string `expr:"receiving_facility"`
	ProcessingID      string `expr:"processing_id"`
}

// Condition compiles the expression of a route's when. It may use msh.type,
// msh.trigger, msh.version, msh.sending_app, msh.sending_facility,
// msh.receiving_app, msh.receiving_facility, msh.processing_id, critical,
// correction, providers (who ordered: OBR-16, or ORC-12 where that is empty),
// account (PID-18), field("OBR-4.1") (the first such value, decoded) and
// fields("OBX-3.1") (all of them). Its memory is bounded; it has no loops
// without end, no input and no output.
func Condition(source string) (func(Look) (bool, error), error) {
	program, err := expr.Compile(source, expr.Env(&conditionEnv{}), expr.AsBool(), expr.MaxNodes(2000),
		// The clock, and the files of time zones: a condition sees the message alone.
		expr.DisableBuiltin("now"), expr.DisableBuiltin("date"), expr.DisableBuiltin("timezone"))
	if err != nil {
		return nil, fmt.Errorf("condition: %w", err)
	}
	return func(m Look) (bool, error) {
		env, err := m.environment()
		if err != nil {
			return false, err
		}
		machine := vm.VM{MemoryBudget: 1 << 20}
		out, err := machine.Run(program, env)
		if err != nil {
			return false, fmt.Errorf("condition could not be answered: %w", errWithoutContent)
		}
		return out.(bool), nil
	}, nil
}

var errWithoutContent = fmt.Errorf("%w: its fields are not what the rule expects", ErrInvalid)

func environment(m *hl7.Message, flags int64) conditionEnv {
	text := func(path string) string {
		s, err := m.Get(path)
		if err != nil {
			return "" // the paths below are constants
		}
		return s
	}
	return conditionEnv{
		MSH: conditionHeader{
			Type: text("MSH-9.1"), Trigger: text("MSH-9.2"), Version: text("MSH-12.1"),
			SendingApp: text("MSH-3.1"), SendingFacility: text("MSH-4.1"),
			ReceivingApp: text("MSH-5.1"), ReceivingFacility: text("MSH-6.1"), ProcessingID: text("MSH-11.1"),
		},
		Field:      m.Get,
		Fields:     func(path string) ([]string, error) { return all(m, path) },
		Providers:  providers(m),
		Account:    text("PID-18.1"),
		Critical:   flags&FlagCritical != 0,
		Correction: flags&FlagCorrection != 0,
	}
}

func all(m *hl7.Message, path string) ([]string, error) {
	p, err := hl7.ParsePath(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range m.Each(p) {
		out = append(out, v.Text())
	}
	return out, nil
}
