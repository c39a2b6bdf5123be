package cost

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"loophub/connectors/shopify"
)

// customer is one of the shop's, and what she has ordered.
type customer struct {
	number int
	name   string // her last
	orders int
}

// shop sends orders, each a copy of a real one of some 6 KB: its members in the order of the real one, since what a delivery
// takes in the Inbox hangs on that.
type shop struct {
	*world
	order  string
	orders int
	bytes  int // of bodies sent
}

func newShop(t *testing.T, w *world) *shop {
	t.Helper()
	text, err := os.ReadFile("../../shared/delivery/testdata/order.json")
	w.must(err)
	return &shop{world: w, order: string(text)}
}

// What of the real order is another's in each copy.
const (
	theOrder    = "6120934571845"
	theCheckout = "6153080250746"
	theLine     = "15380127744069"
	theCustomer = "7349120058413"
	theAddress  = "7349120835414"
	theToken    = "b3f1c0d97ae24586a1e2f4c85d907b66"
	theCart     = "hWN4b7dLq0mZt3XyRk81uE2f"
	theKey      = "66b709d58c4f2e1a68542ea79d0c1f3b"
	theTotal    = "468000"
)

// places has a customer place an order now.
func (s *shop) places(c *customer, total int) {
	s.t.Helper()
	s.orders++
	c.orders++
	now := s.clock.Now().In(time.FixedZone("", 7*3600)).Format(time.RFC3339)
	digits := func(of string, n int) string { return fmt.Sprintf("%s%05d", of[:len(of)-5], n%100_000) }
	token := func(what string) string {
		sum := sha256.Sum256([]byte(fmt.Sprint(what, s.orders)))
		return hex.EncodeToString(sum[:16])
	}
	phone := fmt.Sprintf("90%07d", c.number)
	body := strings.NewReplacer(
		theOrder, digits(theOrder, s.orders), theCheckout, digits(theCheckout, s.orders), theLine, digits(theLine, s.orders),
		theCustomer, digits(theCustomer, c.number), theAddress, digits(theAddress, c.number),
		theToken, token("token"), theKey, token("key"), theCart, token("cart")[:24], "QZ7T3LMWX", strings.ToUpper(token("confirmation")[:9]),
		"#1847", fmt.Sprintf("#%d", 1000+s.orders), `"number":847`, fmt.Sprintf(`"number":%d`, s.orders), "1847", fmt.Sprint(1000+s.orders),
		"lan.pham@example.com", fmt.Sprintf("khach.%05d@example.com", c.number), "+84903117428", "+84"+phone, "0903 117 428", "0"+phone,
		"113.161.84.27", fmt.Sprintf("113.161.%d.%d", c.number/250, c.number%250),
		"48/7", fmt.Sprintf("%d/%d", 1+c.number%97, 1+c.number%13), `"Lan"`, fmt.Sprintf(`"Lan %d"`, c.number), "Phạm", c.name,
		`"`+theTotal+`"`, fmt.Sprintf(`"%d"`, total), "2026-11-20T09:14:27+07:00", now, "2026-11-20T09:14:31+07:00", now,
	).Replace(s.order)
	s.bytes += len(body)
	s.send(s.signed([]byte(body)))
}

func (s *shop) signed(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+id+"/shop", bytes.NewReader(body))
	name, signature := shopify.Sign(secret, body)
	for k, v := range map[string]string{"Content-Type": "application/json", name: signature, "X-Shopify-Topic": "orders/create",
		"X-Shopify-Webhook-Id": fmt.Sprintf("b54557e4-bdd9-4b37-8a5f-%012d", s.orders), "X-Shopify-Shop-Domain": "tra-lan.myshopify.com",
		"X-Shopify-Api-Version": "2026-07", "X-Shopify-Triggered-At": s.clock.Now().Format(time.RFC3339Nano),
		"X-Shopify-Event-Id": fmt.Sprintf("98880550-7158-44d4-b7cd-%012d", s.orders)} {
		r.Header.Set(k, v)
	}
	return r
}
