package segment

import (
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/parser"

	"loophub/shared/profile"
)

// language is CEL over a profile. Of the standard library it takes what can't
// fail: there is no division, no index, no conversion, no regular expression, so
// that a rule that was accepted has an answer for everybody. Time comes in through
// within and during alone, whose boundaries are known.
func language(w Words) (*cel.Env, error) { return languages[w]() }

// Words are what a text may speak of.
type Words int

// The words. Each knows all of those before it as well.
const (
	ProfileWords Words = iota // the profile: what segments are made of
	SegmentWords              // segments: the names of those that the customer is in
	ResultWords               // campaign and outcome: what came of the messages that the customer got
)

var languages = [...]func() (*cel.Env, error){newLanguage(ProfileWords), newLanguage(SegmentWords), newLanguage(ResultWords)}

func newLanguage(w Words) func() (*cel.Env, error) {
	return sync.OnceValues(func() (*cel.Env, error) { return w.environment() })
}

func (w Words) environment() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{
		cel.CustomTypeProvider(provider{registry}), cel.CustomTypeAdapter(registry),
		cel.StdLib(cel.StdLibSubset(standard())),
		cel.Macros(cel.GlobalMacro("consent", 1, method("consents", "given")), cel.GlobalMacro("events", 1, method("occurred", "named"))),
		cel.Variable("orders", ordersType), cel.Variable("traits", traitsType), cel.Variable("consents", consentsType),
		cel.Variable("occurred", occurredType), cel.Variable("checkout", checkoutType), cel.Variable("tags", types.NewListType(types.StringType)),
		cel.Variable("sources", types.NewListType(types.StringType)),
		cel.EnableMacroCallTracking(), cel.HomogeneousAggregateLiterals(),
		cel.ParserExpressionSizeLimit(MaxSize), cel.ParserRecursionLimit(60), cel.ParserErrorRecoveryLimit(4),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(1)),
	}
	if w >= SegmentWords {
		options = append(options, cel.Variable("segments", types.NewListType(types.StringType)))
	}
	if w >= ResultWords {
		options = append(options, cel.Variable("campaign", campaignType), cel.Variable("outcome", outcomeType))
	}
	return cel.NewCustomEnv(append(options, functions()...)...)
}

// standard is the part of CEL's library that rules may use.
func standard() *env.LibrarySubset {
	subset := env.NewLibrarySubset().AddIncludedMacros(operators.Has, operators.All, operators.Exists, operators.ExistsOne, operators.Filter)
	for name, ids := range map[string][]string{
		operators.LogicalAnd: nil, operators.LogicalOr: nil, operators.LogicalNot: nil, operators.Conditional: nil,
		operators.Equals: nil, operators.NotEquals: nil, operators.NotStrictlyFalse: nil,
		operators.In:            {overloads.InList},
		operators.Less:          {overloads.LessInt64, overloads.LessString},
		operators.LessEquals:    {overloads.LessEqualsInt64, overloads.LessEqualsString},
		operators.Greater:       {overloads.GreaterInt64, overloads.GreaterString},
		operators.GreaterEquals: {overloads.GreaterEqualsInt64, overloads.GreaterEqualsString},
		overloads.Size:          {overloads.SizeString, overloads.SizeStringInst, overloads.SizeList, overloads.SizeListInst},
		overloads.Contains:      nil, overloads.StartsWith: nil, overloads.EndsWith: nil,
	} {
		f := env.NewFunction(name)
		for _, id := range ids {
			f.Overloads = append(f.Overloads, &env.Overload{ID: id})
		}
		subset.AddIncludedFunctions(f)
	}
	return subset
}

// method writes consent("x") and the like as a method of what holds them all.
func method(of, name string) cel.MacroFactory {
	return func(h parser.ExprHelper, _ celast.Expr, args []celast.Expr) (celast.Expr, *cel.Error) {
		return h.NewMemberCall(name, h.NewIdent(of), args[0]), nil
	}
}

// windowed is what within and during can be asked of, summed what adds up amounts.
type (
	windowed interface {
		window(function, text string) ref.Val
	}
	summed interface {
		sum(function, currency string) ref.Val
	}
)

func functions() []cel.EnvOption {
	text, number := types.StringType, types.IntType
	var l []cel.EnvOption
	for _, name := range []string{"within", "during"} {
		l = append(l, cel.Function(name,
			cel.MemberOverload("orders_"+name, []*types.Type{ordersType, text}, windowType),
			cel.MemberOverload("order_"+name, []*types.Type{orderType, text}, types.BoolType),
			cel.MemberOverload("checkout_"+name, []*types.Type{checkoutType, text}, types.BoolType),
			cel.MemberOverload("events_"+name, []*types.Type{eventsType, text}, someType),
			cel.MemberOverload("event_"+name, []*types.Type{eventType, text}, types.BoolType),
			cel.SingletonBinaryBinding(func(on, arg ref.Val) ref.Val {
				w, ok := on.(windowed)
				t, isText := arg.(types.String)
				if !ok || !isText {
					return types.MaybeNoSuchOverloadErr(on)
				}
				return w.window(name, string(t))
			})))
	}
	for _, name := range []string{"total", "net", "refunded", "average"} {
		overloads := []cel.FunctionOpt{
			cel.MemberOverload("orders_"+name, []*types.Type{ordersType, text}, number),
			cel.MemberOverload("window_"+name, []*types.Type{windowType, text}, number)}
		if name == "net" {
			overloads = append(overloads, cel.MemberOverload("outcome_net", []*types.Type{outcomeType, text}, number))
		}
		l = append(l, cel.Function(name, append(overloads,
			cel.SingletonBinaryBinding(func(on, arg ref.Val) ref.Val {
				s, ok := on.(summed)
				t, isText := arg.(types.String)
				if !ok || !isText {
					return types.MaybeNoSuchOverloadErr(on)
				}
				return s.sum(name, string(t))
			}))...))
	}
	l = append(l, cel.Function("named", cel.MemberOverload("occurred_named", []*types.Type{occurredType, text}, eventsType,
		cel.BinaryBinding(func(on, arg ref.Val) ref.Val {
			o, ok := on.(*occurred)
			t, isText := arg.(types.String)
			if !ok || !isText {
				return types.MaybeNoSuchOverloadErr(on)
			}
			return o.named(string(t))
		}))))
	l = append(l, cel.Function("given", cel.MemberOverload("consents_given", []*types.Type{consentsType, text}, types.BoolType,
		cel.BinaryBinding(func(on, arg ref.Val) ref.Val {
			c, ok := on.(*consents)
			t, isText := arg.(types.String)
			if !ok || !isText {
				return types.MaybeNoSuchOverloadErr(on)
			}
			return c.given(string(t))
		}))))
	return append(l, arithmetic()...)
}

// arithmetic ends at the ends of the range instead of failing there.
func arithmetic() []cel.EnvOption {
	lists := types.NewListType(types.NewTypeParamType("A"))
	return []cel.EnvOption{
		cel.Function(operators.Add, bounded("plus", add),
			cel.Overload(overloads.AddList, []*types.Type{lists, lists}, lists, // filter builds its list with it
				cel.BinaryBinding(func(x, y ref.Val) ref.Val {
					l, ok := x.(traits.Adder)
					if !ok {
						return types.MaybeNoSuchOverloadErr(x)
					}
					return l.Add(y)
				}))),
		cel.Function(operators.Subtract, bounded("minus", subtract)),
		cel.Function(operators.Multiply, bounded("times", multiply)),
		cel.Function(operators.Negate, cel.Overload("bounded_negate", []*types.Type{types.IntType}, types.IntType,
			cel.UnaryBinding(func(x ref.Val) ref.Val {
				a, ok := x.(types.Int)
				if !ok {
					return types.MaybeNoSuchOverloadErr(x)
				}
				return types.Int(subtract(0, int64(a)))
			}))),
	}
}

func bounded(name string, f func(a, b int64) int64) cel.FunctionOpt {
	return cel.Overload("bounded_"+name, []*types.Type{types.IntType, types.IntType}, types.IntType,
		cel.BinaryBinding(func(x, y ref.Val) ref.Val {
			a, ok := x.(types.Int)
			b, too := y.(types.Int)
			if !ok || !too {
				return types.MaybeNoSuchOverloadErr(x)
			}
			return types.Int(f(int64(a), int64(b)))
		}))
}

func add(a, b int64) int64 {
	switch s := a + b; {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}

func subtract(a, b int64) int64 {
	switch d := a - b; {
	case a >= 0 && b < 0 && d < 0:
		return math.MaxInt64
	case a < 0 && b > 0 && d >= 0:
		return math.MinInt64
	default:
		return d
	}
}

func multiply(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	p := a * b
	if p/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64) {
		return p
	}
	if (a < 0) == (b < 0) {
		return math.MaxInt64
	}
	return math.MinInt64
}

// fields of our types, for the checker.
var fields = map[string]map[string]*types.Type{
	ordersType.TypeName():   {"count": types.IntType, "first": orderType, "last": orderType},
	windowType.TypeName():   {"count": types.IntType},
	orderType.TypeName():    {"total": types.IntType, "net": types.IntType, "refunded": types.IntType, "currency": types.StringType},
	checkoutType.TypeName(): {"open": types.BoolType, "completed": types.BoolType, "total": types.IntType, "currency": types.StringType},
	traitsType.TypeName():   traitFields(),
	consentsType.TypeName(): {},
	occurredType.TypeName(): {},
	eventsType.TypeName():   {"count": types.IntType, "last": eventType},
	eventType.TypeName():    {},
	someType.TypeName():     {"count": types.IntType},
	campaignType.TypeName(): {"journey": types.StringType, "variant": types.StringType, "template": types.StringType, "result": types.StringType, "at": types.StringType},
	outcomeType.TypeName():  {"count": types.IntType},
}

func traitFields() map[string]*types.Type {
	m := map[string]*types.Type{}
	for _, name := range profile.TraitNames() {
		m[name] = types.StringType
	}
	return m
}

// provider knows our types and no others by name.
type provider struct{ types.Provider }

func (provider) FindIdent(string) (ref.Val, bool) { return nil, false }

func (provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := fields[name]; !ok {
		return nil, false
	}
	return types.NewTypeTypeWithParam(object(name)), true
}

func (provider) FindStructFieldNames(name string) ([]string, bool) {
	f, ok := fields[name]
	return sortedKeys(f), ok
}

func (provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := fields[name][field]
	return &types.FieldType{Type: t}, ok
}

func sortedKeys(m map[string]*types.Type) []string {
	var l []string
	for k := range m {
		l = append(l, k)
	}
	slices.SortFunc(l, strings.Compare)
	return l
}
