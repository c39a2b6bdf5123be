package cost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
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

// shop sends orders, each a copy of a real one of some 6 KB.
type shop struct {
	*world
	order  map[string]any
	orders int
	bytes  int // of bodies sent
}

func newShop(t *testing.T, w *world) *shop {
	t.Helper()
	text, err := os.ReadFile("../../shared/delivery/testdata/order.json")
	w.must(err)
	s := &shop{world: w}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	w.must(d.Decode(&s.order))
	return s
}

// places has a customer place an order now.
func (s *shop) places(c *customer, total int) {
	s.t.Helper()
	s.orders++
	c.orders++
	now := s.clock.Now().Format(time.RFC3339)
	o := s.order
	email, phone := fmt.Sprintf("khach.%05d@example.com", c.number), fmt.Sprintf("+8490%07d", c.number)
	o["id"], o["name"], o["number"], o["order_number"] = 6120934571845+s.orders, fmt.Sprintf("#%d", 1000+s.orders), s.orders, 1000+s.orders
	o["email"], o["contact_email"], o["phone"] = email, email, phone
	o["created_at"], o["processed_at"], o["updated_at"] = now, now, now
	for _, name := range []string{"total_price", "current_total_price", "total_outstanding"} {
		o[name] = fmt.Sprint(total)
	}
	person := o["customer"].(map[string]any)
	person["id"], person["email"], person["phone"], person["updated_at"] = 7349120058413+c.number, email, phone, now
	person["first_name"], person["last_name"] = fmt.Sprintf("Lan %d", c.number), c.name
	body, err := json.Marshal(o)
	s.must(err)
	s.bytes += len(body)
	s.send(s.signed(body))
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
