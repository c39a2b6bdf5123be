package ssm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
)

// input is PutParameter as far as it is implemented: policies, keys of one's own and labels are refused as unknown.
type input struct {
	Name, Value, Type, Description, Tier, DataType string
	Overwrite                                      bool
}

var validName = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

func (s *Service) putParameter(c dispatch.Call) (any, error) {
	var in input
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	number, tier, err := s.Put(in.Name, in.Type, in.Value, in.Tier, in.Overwrite)
	if err != nil {
		return nil, err
	}
	return struct {
		Version int
		Tier    string
	}{number, tier}, nil
}

// Put stores a new version of a parameter, and the parameter itself if it is new or may be overwritten.
func (s *Service) Put(name, kind, value, tier string, overwrite bool) (number int, used string, err error) {
	if tier == "" {
		tier = "Standard"
	}
	if err := check(name, value, tier); err != nil {
		return 0, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parameters[name]
	switch {
	case p != nil && !overwrite:
		return 0, "", &dispatch.Error{Code: "ParameterAlreadyExists", Message: "The parameter already exists. " +
			"To overwrite this value, set the overwrite option in the request to true."}
	case p == nil && kind == "":
		return 0, "", invalid("A parameter type is required when you create a parameter.")
	case p == nil:
		p = &parameter{}
	}
	e := effect{Name: name, Kind: p.kind, Tier: tier, Number: 1, Value: value, At: s.clock.Now()}
	if kind != "" {
		if !slices.Contains([]string{"String", "StringList", "SecureString"}, kind) {
			return 0, "", &dispatch.Error{Code: "UnsupportedParameterType",
				Message: fmt.Sprintf("The parameter type %s is not supported.", kind)}
		}
		e.Kind = kind
	}
	if n := len(p.versions); n > 0 {
		e.Number = p.versions[n-1].number + 1
	}
	if err := journal.Keep(s.Journal, e); err != nil {
		return 0, "", err
	}
	s.make(e)
	return e.Number, tier, nil
}

func check(name, value, tier string) error {
	switch {
	case !validName.MatchString(name) || len(name) > 1011:
		return invalid("Parameter name: can't be prefixed with \"ssm\" (case-insensitive) and may hold only letters, " +
			"digits and the symbols .-_/")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.Count(name, "/") > maxLevels:
		return &dispatch.Error{Code: "HierarchyLevelLimitExceededException",
			Message: fmt.Sprintf("A hierarchy can have a maximum of %d levels.", maxLevels)}
	case value == "":
		return invalid("1 validation error detected: Value at 'value' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1.")
	}
	first := strings.ToLower(strings.TrimPrefix(name, "/"))
	if strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).")
	}
	limit := standardBytes
	switch tier {
	case "Advanced", "Intelligent-Tiering":
		limit = advancedBytes
	case "Standard":
	default:
		return invalid("Tier " + tier + " is unknown.")
	}
	if len(value) > limit {
		return invalid(fmt.Sprintf("Parameters of tier %s support a maximum parameter value of %d characters.", tier, limit))
	}
	return nil
}
