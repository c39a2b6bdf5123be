package segment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/parser"
	"golang.org/x/text/currency"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// MaxSize is the most bytes that a rule may have.
const MaxSize = 2 << 10

// maxCost bounds what a rule may cost at the most, in CEL's own units: a look
// through all tags costs some ten thousand.
const maxCost = 200_000

// Compile reads a segment's rule. Its error is Problems where the rule is at
// fault. The zone says where days, weeks, months and years begin.
func Compile(name string, d Definition, zone *time.Location) (Segment, error) {
	r, err := CompileRule(d.When, zone, ProfileWords)
	if err != nil {
		return Segment{}, err
	}
	return Segment{name, d.About, r}, nil
}

// CompileRule reads a condition, as Compile does; words are what it may speak of.
func CompileRule(text string, zone *time.Location, words Words) (Rule, error) {
	env, err := language(words)
	if err != nil {
		return Rule{}, fmt.Errorf("setting the language of rules up: %w", err)
	}
	checked, r, err := check(env, text, zone, words)
	if err != nil {
		return Rule{}, err
	}
	if checked.OutputType() != cel.BoolType {
		r.refuse(r.ast.Expr().ID(), "the rule gives %s, not yes or no; compare it, as in: orders.count > 3", checked.OutputType())
	}
	if err := r.done(env, checked); err != nil {
		return Rule{}, err
	}
	rule, err := r.split(env, r.ast.Expr())
	if err != nil {
		return Rule{}, fmt.Errorf("planning a rule: %w", err)
	}
	return Rule{text, r.zone, rule, r.reads(), r.windows, digest(r.zone.String(), text)}, nil
}

// check reads a text as far as CEL's checker sees it.
func check(env *cel.Env, text string, zone *time.Location, words Words) (*cel.Ast, *reader, error) {
	if zone == nil {
		zone = time.UTC
	}
	if len(text) > MaxSize {
		return nil, nil, Problems{{1, 1, fmt.Sprintf("the rule has %d bytes; use at most %d, or make two of it", len(text), MaxSize)}}
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil, Problems{{1, 1, `the rule is empty; write for example: orders.count > 3`}}
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, nil, complaints(issues, nil, words)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, nil, complaints(issues, parsed.NativeRep(), words)
	}
	r := &reader{ast: checked.NativeRep(), zone: zone, parts: map[profile.Change]bool{profile.IdentityChanged: true}}
	celast.PostOrderVisit(r.ast.Expr(), celast.NewExprVisitor(r.read))
	return checked, r, nil
}

// done tells whether nothing is wrong with what was read.
func (r *reader) done(env *cel.Env, checked *cel.Ast) error {
	if len(r.problems) > 0 {
		return r.problems.sorted()
	}
	return affordable(env, checked)
}

// Checks holds the rules of all segments of a workspace against the language.
func Checks(w workspace.Workspace, refuse workspace.Refuse) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		zone = time.UTC // the zone itself is refused where it stands
	}
	for _, name := range slices.Sorted(maps.Keys(w.Segments)) {
		_, err := CompileRule(w.Segments[name].When, zone, ProfileWords)
		Refuse(err, func(line, column int, reason string) { refuse("segments."+name+".when", line, column, reason) })
	}
}

// Refuse tells what the error of CompileRule or CompileExpression finds wrong;
// nil is nothing.
func Refuse(err error, refuse func(line, column int, reason string)) {
	var problems Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			refuse(p.Line, p.Column, p.Reason)
		}
	case err != nil:
		refuse(1, 1, err.Error())
	}
}

// split takes the rule apart at the && and || of its top.
func (r *reader) split(env *cel.Env, e celast.Expr) (*clause, error) {
	if op := joins(e); op != "" {
		c := &clause{all: op == operators.LogicalAnd}
		for _, arg := range e.AsCall().Args() {
			kid, err := r.split(env, arg)
			if err != nil {
				return nil, err
			}
			if kid.kids != nil && kid.all == c.all {
				c.kids = append(c.kids, kid.kids...)
			} else {
				c.kids = append(c.kids, kid)
			}
		}
		return c, nil
	}
	text, err := parser.Unparse(e, r.ast.SourceInfo())
	if err != nil {
		return nil, fmt.Errorf("writing a clause: %w", err)
	}
	part := celast.NewCheckedAST(celast.NewAST(e, r.ast.SourceInfo()), r.ast.TypeMap(), r.ast.ReferenceMap())
	program, err := env.PlanProgram(part, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("planning %s: %w", text, err)
	}
	return &clause{text: strings.Join(strings.Fields(text), " "), holds: program, count: r.threshold(e)}, nil
}

// joins is the operator by which an expression joins conditions, or nothing.
func joins(e celast.Expr) string {
	if e.Kind() == celast.CallKind {
		if f := e.AsCall().FunctionName(); f == operators.LogicalAnd || f == operators.LogicalOr {
			return f
		}
	}
	return ""
}

// reader goes through a checked rule: what it reads, and what CEL's checker does
// not see.
type reader struct {
	ast      *celast.AST
	zone     *time.Location
	parts    map[profile.Change]bool
	windows  []lookup
	problems Problems
}

// parts that the variables show.
var parts = map[string]profile.Change{
	"orders": profile.OrdersChanged, "traits": profile.TraitsChanged, "tags": profile.TagsChanged,
	"consents": profile.ConsentChanged, "occurred": profile.EventsChanged, "checkout": profile.CheckoutChanged, "sources": profile.IdentityChanged,
}

func (r *reader) reads() []profile.Change {
	var l []profile.Change
	for p := range r.parts {
		l = append(l, p)
	}
	slices.Sort(l)
	return l
}

func (r *reader) refuse(id int64, format string, args ...any) {
	at := r.ast.SourceInfo().GetStartLocation(id)
	r.problems = append(r.problems, Problem{max(at.Line(), 1), max(at.Column(), 0) + 1, fmt.Sprintf(format, args...)})
}

func (r *reader) read(e celast.Expr) {
	switch e.Kind() {
	case celast.IdentKind:
		if p, ok := parts[e.AsIdent()]; ok {
			r.parts[p] = true
		}
	case celast.MapKind, celast.StructKind:
		r.refuse(e.ID(), "a rule makes no objects; compare what the profile holds")
	case celast.LiteralKind:
		switch e.AsLiteral().Type() {
		case cel.BoolType, cel.IntType, cel.StringType:
		default:
			r.refuse(e.ID(), "use whole numbers, texts, true and false; to ask whether something is there, write has(…)")
		}
	case celast.CallKind:
		r.call(e)
	}
}

var (
	subjectPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$`)
	eventPattern   = regexp.MustCompile(`^[\pL\pN][\pL\pN ._:-]{0,99}$`)
)

// call checks the words that our functions take: each must stand in the rule, so
// that it can be checked now.
func (r *reader) call(e celast.Expr) {
	c := e.AsCall()
	advice, ours := advices[c.FunctionName()]
	if !ours || !c.IsMemberFunction() || len(c.Args()) != 1 {
		return
	}
	arg := c.Args()[0]
	var text string
	if arg.Kind() == celast.LiteralKind {
		text, _ = arg.AsLiteral().Value().(string) // another literal is no word, and refused as such
	}
	valid := false
	switch f := c.FunctionName(); f {
	case "within", "during":
		_, valid = windowOf(f, text, r.zone)
		if valid && r.ast.GetType(c.Target().ID()).TypeName() == ordersType.TypeName() {
			r.windows = append(r.windows, lookup{r.zone, f, text})
		}
	case "named":
		valid = eventPattern.MatchString(text)
	case "given":
		valid = len(text) <= 100 && subjectPattern.MatchString(text)
	default:
		_, err := currency.ParseISO(text)
		valid = err == nil && strings.ToUpper(text) == text
	}
	if !valid {
		r.refuse(arg.ID(), "%s", advice)
	}
}

const (
	currencyAdvice = `name a currency by its code of ISO 4217, such as "VND" or "USD"`
	calendarAdvice = `during takes "today", "yesterday", or "this" or "previous" with week, month or year, such as "previous month"`
)

var advices = map[string]string{
	"within": `within takes a whole number and min, h, d or w, such as "30d", up to ten years`,
	"during": calendarAdvice,
	"named":  `events takes the name of an event, such as "product.viewed"`,
	"given":  `consent takes a channel and a purpose, such as "email:marketing"`,
	"total":  currencyAdvice, "net": currencyAdvice, "refunded": currencyAdvice, "average": currencyAdvice,
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return p
}

// complaints turns what CEL says into problems that a marketer's engineer can use.
func complaints(issues *cel.Issues, parsed *celast.AST, words Words) Problems {
	var problems Problems
	for _, e := range issues.Errors() {
		line, column := 1, 1
		if e.Location != nil {
			line, column = max(e.Location.Line(), 1), max(e.Location.Column(), 0)+1
		}
		reason := strings.Join(strings.Fields(e.Message), " ")
		if r := []rune(reason); len(r) > 300 {
			reason = string(r[:300]) + "…"
		}
		problems = append(problems, Problem{line, column, plain(reason, e.ExprID, parsed, words)})
	}
	if len(problems) == 0 {
		problems = Problems{{1, 1, "the rule can't be read"}}
	}
	return problems.sorted()
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container ''\)$`)
	undefined  = regexp.MustCompile(`^undefined field '(.*)'$`)
	mismatch   = regexp.MustCompile(`^found no matching overload for '_?([^_'@]*)_?' applied to '(.*)'$`)
)

// plain says in our words what CEL says in its own.
func plain(reason string, id int64, parsed *celast.AST, words Words) string {
	if m := undeclared.FindStringSubmatch(reason); m != nil {
		return unknown(m[1], words)
	}
	if m := undefined.FindStringSubmatch(reason); m != nil {
		if parsed != nil && readsTrait(parsed, id) {
			return fmt.Sprintf("there is no trait %q; write %s", m[1], oneOf(profile.TraitNames()))
		}
		return fmt.Sprintf("there is no %q here", m[1])
	}
	if m := mismatch.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("%q can't be applied to %s", m[1], m[2])
	}
	return strings.TrimPrefix(reason, "ERROR: ")
}

// unknown says why a word is none.
func unknown(name string, words Words) string {
	switch {
	case name == "segments":
		return `"segments" can't stand in the rule of a segment, which would hang on the others and they on it; journeys and destinations know it`
	case name == "campaign" || name == "outcome":
		return fmt.Sprintf("%q can't stand in a rule: what came of messages decides nothing; the properties of destinations know it", name)
	}
	const known = "orders, traits, tags, consent(…), checkout, events(…) and sources"
	switch words {
	case SegmentWords:
		return fmt.Sprintf("there is no %q; a rule knows segments, %s", name, known)
	case ResultWords:
		return fmt.Sprintf("there is no %q; an expression knows segments, campaign, outcome, %s", name, known)
	}
	return fmt.Sprintf("there is no %q; a rule knows %s", name, known)
}

// readsTrait tells whether the expression is a field of traits.
func readsTrait(parsed *celast.AST, id int64) bool {
	found := false
	celast.PostOrderVisit(parsed.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.ID() == id && e.Kind() == celast.SelectKind {
			on := e.AsSelect().Operand()
			found = on.Kind() == celast.IdentKind && on.AsIdent() == "traits"
		}
	}))
	return found
}

func oneOf(names []string) string {
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
