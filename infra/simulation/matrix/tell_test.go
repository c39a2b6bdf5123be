package matrix

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"
)

// What the shop's systems tell. All moments lie before the world begins.

func customer(n int, name, email, extra string) string {
	return fmt.Sprintf(`{"id":%d,"email":%q,"first_name":%q,"state":"enabled","verified_email":true,"created_at":"2026-10-03T09:12:44+07:00",
		"updated_at":"2026-10-03T09:12:44+07:00"%s}`, 7000+n, email, name, extra)
}

func consented(n int, name, email string) string {
	return customer(n, name, email, `,"email_marketing_consent":{"state":"subscribed","opt_in_level":"single_opt_in","consent_updated_at":"2026-10-03T09:13:02+07:00"}`)
}

// order is order n of a customer, or of a guest where that is "". day is of October.
func order(n, day int, email, customer string, total int, extra string) string {
	if customer != "" {
		customer = `,"customer":` + customer
	}
	at := fmt.Sprintf("2026-10-%02dT10:%02d:00+07:00", day, n%60)
	return fmt.Sprintf(`{"id":%d,"name":"#%d","email":%q,"phone":null%s,"currency":"VND","total_price":"%d","financial_status":"paid",
		"source_name":"web","created_at":%q,"processed_at":%q,"updated_at":%q,"line_items":[],"refunds":[]%s}`,
		5000+n, n, email, customer, total, at, at, at, extra)
}

func refund(n, of, amount int) string {
	return fmt.Sprintf(`{"id":%d,"order_id":%d,"created_at":"2026-10-23T09:00:00+07:00","processed_at":"2026-10-23T09:00:00+07:00",
		"transactions":[{"id":1,"kind":"refund","status":"success","amount":"%d","currency":"VND"}],"refund_line_items":[]}`, 900+n, 5000+of, amount)
}

var dates = regexp.MustCompile(`_at":"2026-10-[0-9T:+-]+"`)

// recent lets what is told be dated just before it is sent: then it is news.
func (s *stand) recent(body string) string {
	return dates.ReplaceAllString(body, `_at":"`+s.Now().UTC().Add(-time.Second).Format("2006-01-02T15:04:05Z")+`"`)
}

// noise is a text that does not get smaller when it is packed.
func noise(bytes int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, bytes*3/4)
	for n := range b {
		b[n] = byte(r.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// telling is a webhook of the shop.
type telling struct{ topic, id, body string }
