package local

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"loophub/infra/local/eventbridge"
	"loophub/infra/local/s3"
	"loophub/infra/local/ses"
	"loophub/infra/local/sns"
	"loophub/infra/local/sqs"
	"loophub/infra/local/ssm"
	"loophub/infra/local/sts"
	"loophub/infra/local/template"
)

const (
	begin = "<!-- generated -->\n"
	end   = "<!-- end -->"
)

// The lists in the README are what the code says. UPDATE=1 rewrites them and fails, so that the difference is read.
func TestREADMEListsWhatIsImplemented(t *testing.T) {
	var want strings.Builder
	want.WriteString("| service | operations |\n|---|---|\n")
	for _, s := range []struct {
		name       string
		operations []string
	}{
		{"SQS", sqs.Operations()}, {"EventBridge", eventbridge.Operations()}, {"SSM", ssm.Operations()}, {"S3", s3.Operations()},
		{"SES v2", ses.Operations()}, {"SNS", sns.Operations()}, {"STS", sts.Operations()},
	} {
		fmt.Fprintf(&want, "| %s | %s |\n", s.name, strings.Join(s.operations, ", "))
	}
	fmt.Fprintf(&want, "\nResource types: %s.\n", strings.ReplaceAll(strings.Join(template.Types(), ", "), "AWS::", ""))

	want.WriteString("\nAccepted without effect, each for a reason; every other property that has none is refused:\n\n| property | because it |\n|---|---|\n")
	effectless := template.WithoutEffect()
	for _, reason := range slices.Sorted(maps.Keys(effectless)) {
		fmt.Fprintf(&want, "| %s | %s |\n", strings.Join(effectless[reason], ", "), reason)
	}

	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the README has no generated part")
	}
	if got == want.String() {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the README lists\n%s\nthe code\n%s", got, want.String())
	}
	if err := os.WriteFile("README.md", []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Fatal("README.md rewritten; read the difference and run again without UPDATE")
}
