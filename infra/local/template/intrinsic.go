package template

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// resolver turns intrinsic functions into plain values.
type resolver struct {
	stack     string
	raw       map[string]rawResource
	parameter map[string]string // template parameters with their defaults
	seen      map[string]bool   // logical ids whose names are being resolved: a cycle shows itself
}

func (r *resolver) pseudo(name string) (string, bool) {
	switch name {
	case "AWS::AccountId":
		return Account, true
	case "AWS::Region":
		return Region, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::URLSuffix":
		return domain, true
	case "AWS::StackName":
		return r.stack, true
	case "AWS::StackId":
		return arn("cloudformation", "stack/%s/local")(r.stack), true
	}
	return "", false
}

// resolve returns v with every intrinsic function replaced. {"Ref": "AWS::NoValue"} removes its property or element.
func (r *resolver) resolve(v any) (any, error) {
	out, err := r.value(v)
	if out == absent {
		out = nil
	}
	return out, err
}

type noValue struct{}

var absent any = noValue{}

func (r *resolver) value(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return r.call(name, argument)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			x, err := r.value(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if x != absent {
				out[k] = x
			}
		}
		return out, nil
	case []any:
		return r.list(v)
	}
	return v, nil
}

func (r *resolver) list(v []any) (any, error) {
	out := make([]any, 0, len(v))
	for _, e := range v {
		x, err := r.value(e)
		if err != nil {
			return nil, err
		}
		if x != absent {
			out = append(out, x)
		}
	}
	return out, nil
}

func (r *resolver) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		id, ok := argument.(string)
		if !ok {
			return nil, fmt.Errorf("reference (Ref) to %v", argument)
		}
		if id == "AWS::NoValue" {
			return absent, nil
		}
		return r.ref(id)
	case "Fn::GetAtt":
		return r.getAtt(argument)
	case "Fn::Sub":
		return r.sub(argument)
	}
	arg, err := r.value(argument)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := apply(name, arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// apply evaluates the functions that look at nothing but their resolved argument.
func apply(name string, arg any) (any, error) {
	switch name {
	case "Fn::Join":
		separator, parts, err := textAndList(arg)
		if err != nil {
			return nil, err
		}
		return strings.Join(parts, separator), nil
	case "Fn::Split":
		pair, ok := arg.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("expected a separator and a text, got %v", arg)
		}
		separator, ok1 := pair[0].(string)
		text, ok2 := pair[1].(string)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("expected a separator and a text, got %v", arg)
		}
		var out []any
		for s := range strings.SplitSeq(text, separator) {
			out = append(out, s)
		}
		return out, nil
	case "Fn::Select":
		return selectOne(arg)
	case "Fn::Base64":
		return base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(arg))), nil
	}
	return nil, fmt.Errorf("the local cloud does not know this function")
}

func textAndList(arg any) (string, []string, error) {
	pair, ok := arg.([]any)
	if !ok || len(pair) != 2 {
		return "", nil, fmt.Errorf("expected a separator and a list, got %v", arg)
	}
	separator, ok1 := pair[0].(string)
	list, ok2 := pair[1].([]any)
	if !ok1 || !ok2 {
		return "", nil, fmt.Errorf("expected a separator and a list, got %v", arg)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = fmt.Sprint(e)
	}
	return separator, parts, nil
}

func selectOne(arg any) (any, error) {
	pair, ok := arg.([]any)
	if !ok || len(pair) != 2 {
		return nil, fmt.Errorf("expected an index and a list, got %v", arg)
	}
	i, err := strconv.Atoi(fmt.Sprint(pair[0]))
	list, ok := pair[1].([]any)
	if err != nil || !ok || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("no element %v in %v", pair[0], pair[1])
	}
	return list[i], nil
}

func (r *resolver) ref(id string) (any, error) {
	if v, ok := r.pseudo(id); ok {
		return v, nil
	}
	if v, ok := r.parameter[id]; ok {
		return v, nil
	}
	who, kind, err := r.ident(id)
	if err != nil {
		return nil, fmt.Errorf("reference to %s: %w", id, err)
	}
	if kind.ref != nil {
		return kind.ref(who), nil
	}
	return who.name, nil
}

func (r *resolver) getAtt(argument any) (any, error) {
	var id, attribute string
	switch a := argument.(type) {
	case string:
		id, attribute, _ = strings.Cut(a, ".")
	case []any:
		if len(a) == 2 {
			id, _ = a[0].(string)
			attribute, _ = a[1].(string)
		}
	}
	who, kind, err := r.ident(id)
	if err != nil {
		return nil, fmt.Errorf("attribute %s of %s: %w", attribute, id, err)
	}
	give := kind.attribute[attribute]
	if give == nil {
		return nil, fmt.Errorf("attribute %s of %s: the local cloud does not know it of %s", attribute, id, r.raw[id].Type)
	}
	return give(who), nil
}

var placeholder = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

// sub evaluates Fn::Sub, with or without its own map of variables.
func (r *resolver) sub(argument any) (any, error) {
	text, own := "", map[string]any{}
	switch a := argument.(type) {
	case string:
		text = a
	case []any:
		if len(a) == 2 {
			text, _ = a[0].(string)
			vars, err := r.value(a[1])
			if err != nil {
				return nil, fmt.Errorf("Fn::Sub: %w", err)
			}
			own, _ = vars.(map[string]any)
		}
	default:
		return nil, fmt.Errorf("Fn::Sub of %v", argument)
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		name := parts[2]
		if parts[1] == "!" { // ${!Literal} is written as ${Literal}
			return "${" + name + "}"
		}
		if v, ok := own[name]; ok {
			return fmt.Sprint(v)
		}
		var v any
		var err error
		if strings.Contains(name, ".") {
			v, err = r.getAtt(name)
		} else {
			v, err = r.ref(name)
		}
		if err != nil && failed == nil {
			failed = err
		}
		return fmt.Sprint(v)
	})
	if failed != nil {
		return nil, fmt.Errorf("Fn::Sub %q: %w", text, failed)
	}
	return out, nil
}

// ident works out the name and ARN of a resource from the properties that give them.
func (r *resolver) ident(logical string) (ident, identity, error) {
	raw, ok := r.raw[logical]
	if !ok {
		return ident{}, identity{}, fmt.Errorf("the template has no resource or parameter of this name")
	}
	kind := identities[raw.Type]
	if r.seen[logical] {
		return ident{}, kind, fmt.Errorf("its name depends on itself")
	}
	r.seen[logical] = true
	defer delete(r.seen, logical)
	who := ident{logical: logical, name: r.defaultName(logical, raw.Type)}
	if kind.name != "" {
		if given, ok := raw.Properties[kind.name]; ok {
			v, err := r.resolve(given)
			if err != nil {
				return ident{}, kind, err
			}
			if s, ok := v.(string); ok && s != "" {
				who.name = s
			}
		}
	}
	var err error
	switch raw.Type {
	case "AWS::Events::Rule":
		var bus string
		bus, err = r.property(raw, "EventBusName")
		who.arn = ruleARN(bus, who.name)
	case "AWS::SNS::Subscription":
		var topic string
		topic, err = r.property(raw, "TopicArn")
		who.arn = subscriptionARN(topic, who)
	default:
		if kind.arn != nil {
			who.arn = kind.arn(who.name)
		}
	}
	return who, kind, err
}

// property is a text among a resource's properties that its identity depends on.
func (r *resolver) property(raw rawResource, name string) (string, error) {
	v, err := r.resolve(raw.Properties[name])
	s, _ := v.(string)
	return s, err
}

// defaultName is the name of a resource that the template does not name. AWS appends random letters; here the stack and
// the logical id are enough, and a program finds its data again.
func (r *resolver) defaultName(logical, kind string) string {
	name := r.stack + "-" + logical
	if kind == "AWS::S3::Bucket" || kind == "AWS::Lambda::Url" {
		return strings.ToLower(name)
	}
	return name
}
