package definition_test

import (
	"strings"
	"testing"

	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/fault"
)

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	if c, err := w.reader.Credentials(t.Context(), "saigon", "crm"); err != nil || len(c) != 0 {
		t.Fatalf("none are set: %v, %v", c, err)
	}
	name := awstest.Prefix + "/saigon/connections/crm/credentials"
	w.SetParameter(name, `{"access_token":"public-test-token"}`)
	fresh := func() *definition.Reader {
		return definition.NewReader(w.db, w.ssm, awstest.Hub, awstest.Prefix, w.Now)
	}
	if c, err := fresh().Credentials(t.Context(), "saigon", "crm"); err != nil || c["access_token"] != "public-test-token" {
		t.Errorf("%d credentials, %v", len(c), err)
	}
	if c, err := fresh().Credentials(t.Context(), "saigon", "crm-2"); err != nil || len(c) != 0 {
		t.Errorf("another connection's: %d, %v", len(c), err)
	}
	w.SetParameter(name, `hunter2`)
	if _, err := fresh().Credentials(t.Context(), "saigon", "crm"); fault.ClassOf(err) != fault.Permanent || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what is no object: %v", err)
	}
}
