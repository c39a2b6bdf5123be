package conformance

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// normal is an answer without what AWS leaves open: the order of a Scan, of items with equal index keys, of a set's members,
// of a batch and of a capacity report.
func (r request) normal(a answer) answer {
	if a.Body == nil {
		return a
	}
	body := normalValue(a.Body).(object)
	if r.operation == "Scan" || r.body["IndexName"] != nil {
		sortList(body["Items"])
	}
	if tables, ok := body["Responses"].(object); ok {
		for _, items := range tables {
			sortList(items)
		}
	}
	if reports, ok := body["ConsumedCapacity"].([]any); ok {
		slices.SortFunc(reports, func(a, b any) int {
			return cmp.Compare(jsonText(a.(object)["TableName"]), jsonText(b.(object)["TableName"]))
		})
	}
	a.Body = body
	return a
}

func sortList(v any) {
	if elements, ok := v.([]any); ok {
		slices.SortFunc(elements, func(a, b any) int { return cmp.Compare(jsonText(a), jsonText(b)) })
	}
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// normalValue sorts the members of sets at any depth.
func normalValue(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = normalValue(e)
		}
		return out
	case object:
		out := make(object, len(v))
		for name, e := range v {
			out[name] = normalValue(e)
			if (name == "SS" || name == "NS" || name == "BS") && len(v) == 1 {
				sortList(out[name])
			}
		}
		return out
	}
	return v
}

// canonical has every number in the form in which DynamoDB returns it.
func canonical(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = canonical(e)
		}
		return out
	case object:
		out := make(object, len(v))
		for name, e := range v {
			out[name] = canonical(e)
			if text, ok := e.(string); ok && name == "N" && len(v) == 1 {
				out[name] = canonicalNumber(text)
			}
			if texts, ok := e.([]any); ok && name == "NS" && len(v) == 1 {
				members := make([]any, len(texts))
				for i, t := range texts {
					members[i] = canonicalNumber(t.(string))
				}
				out[name] = members
				sortList(members)
			}
		}
		return out
	}
	return v
}

func canonicalNumber(text string) string {
	n, err := attr.ParseNumber(strings.TrimSpace(text))
	if err != nil {
		return text
	}
	return n.String()
}
