package shopify

import (
	"os"
	"testing"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
)

// testSecret signs the fixtures. It is public and signs nothing else.
const testSecret = connector.Secret("loophub-public-test-secret")

var testSettings = connector.Settings{
	Values:  map[string]string{"shop": "lua-hoi-an.myshopify.com"},
	Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{
		New:      New,
		Settings: testSettings,
		Secret:   testSecret,
		Sign: func(r *connector.Request, s connector.Secret) {
			name, value := Sign(s, r.Body)
			r.Header.Set(name, value)
		},
		Fixtures: "testdata",
		Update:   os.Getenv("UPDATE") != "",
	})
}
