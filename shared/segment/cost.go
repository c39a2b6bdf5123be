package segment

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
)

// affordable refuses a rule that could cost too much.
func affordable(env *cel.Env, checked *cel.Ast) error {
	estimate, err := env.EstimateCost(checked, sizes{})
	if err != nil {
		return fmt.Errorf("estimating the cost of the rule: %w", err)
	}
	if estimate.Max > maxCost {
		return Problems{{1, 1, "the rule costs too much; look through the tags less often, or make two segments of it"}}
	}
	return nil
}

// sizes says how large the lists and texts of a profile may be.
type sizes struct{}

// EstimateSize bounds what a variable holds.
func (sizes) EstimateSize(e checker.AstNode) *checker.SizeEstimate {
	path := e.Path()
	switch {
	case len(path) == 1 && path[0] == "tags":
		return &checker.SizeEstimate{Max: 2_000}
	case len(path) == 1 && path[0] == "sources":
		return &checker.SizeEstimate{Max: 32}
	case len(path) == 1 && path[0] == "segments":
		return &checker.SizeEstimate{Max: 1_000}
	case len(path) > 0:
		return &checker.SizeEstimate{Max: 1_000} // a trait, a tag: the catalogue's longest text
	}
	return nil
}

// EstimateCallCost prices a window like a walk over some orders.
func (sizes) EstimateCallCost(function, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	switch function {
	case "named", "within", "during", "total", "net", "refunded", "average":
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: 20}}
	}
	return nil
}
