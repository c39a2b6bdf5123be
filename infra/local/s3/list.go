package s3

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/infra/local/dispatch"
)

const listObjects = "ListObjectsV2"

// listing is what ListObjectsV2 is asked for.
type listing struct {
	prefix, delimiter, startAfter, token string
	most                                 int
	encoded                              bool
}

// listed is its answer. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, read 2026-11.
type listed struct {
	XMLName      xml.Name `xml:"ListBucketResult"`
	Space        string   `xml:"xmlns,attr"`
	Name         string
	Prefix       string
	Delimiter    string `xml:",omitempty"`
	StartAfter   string `xml:",omitempty"`
	EncodingType string `xml:",omitempty"`
	KeyCount     int
	MaxKeys      int
	IsTruncated  bool
	Token        string `xml:"ContinuationToken,omitempty"`
	Next         string `xml:"NextContinuationToken,omitempty"`
	Contents     []listedObject
	Prefixes     []listedPrefix `xml:"CommonPrefixes"`
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

type listedPrefix struct{ Prefix string }

func readListing(q url.Values) (listing, error) {
	in := listing{most: 1000}
	for name, values := range q {
		v := values[0]
		switch name {
		case "list-type":
		case "prefix":
			in.prefix = v
		case "delimiter":
			in.delimiter = v
		case "start-after":
			in.startAfter = v
		case "encoding-type":
			if in.encoded = v == "url"; !in.encoded {
				return in, badArgument("Invalid Encoding Method specified in Request")
			}
		case "continuation-token":
			token, err := base64.StdEncoding.DecodeString(v)
			if err != nil || len(token) == 0 {
				return in, badArgument("The continuation token provided is incorrect")
			}
			in.token = string(token)
		case "max-keys":
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return in, badArgument("Provided max-keys not an integer or within integer range")
			}
			in.most = min(n, in.most)
		default:
			return in, &dispatch.Error{Status: http.StatusNotImplemented, Code: "NotImplemented",
				Message: "the local cloud does not implement the parameter " + name}
		}
	}
	return in, nil
}

// list answers a page of keys, in the order of their bytes. Keys that go on after the delimiter count as one.
func (s *Service) list(b *bucket, c dispatch.Call) (dispatch.Reply, error) {
	in, err := readListing(c.Request.URL.Query())
	if err != nil {
		return dispatch.Reply{}, err
	}
	text := func(v string) string {
		if in.encoded {
			return strings.ReplaceAll(url.QueryEscape(v), "%2F", "/")
		}
		return v
	}
	out := listed{Space: "http://s3.amazonaws.com/doc/2006-03-01/", Name: b.Name, Prefix: text(in.prefix), Delimiter: text(in.delimiter),
		StartAfter: text(in.startAfter), MaxKeys: in.most}
	if in.encoded {
		out.EncodingType = "url"
	}
	if in.token != "" {
		out.Token = base64.StdEncoding.EncodeToString([]byte(in.token))
	}
	last := "" // the key or common prefix that the page ends with
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		o, ok := s.present(b, key)
		common := in.common(key)
		if !ok || !strings.HasPrefix(key, in.prefix) || !in.after(key, common) || common != "" && common == last {
			continue
		}
		if out.KeyCount == in.most {
			if out.IsTruncated = in.most > 0; out.IsTruncated {
				out.Next = base64.StdEncoding.EncodeToString([]byte(last))
			}
			break
		}
		out.KeyCount++
		if last = common; common != "" {
			out.Prefixes = append(out.Prefixes, listedPrefix{text(common)})
			continue
		}
		last = key
		out.Contents = append(out.Contents, listedObject{Key: text(key), LastModified: o.at.UTC().Format(time.RFC3339), ETag: o.etag,
			Size: len(o.body), StorageClass: "STANDARD"})
	}
	body, err := xml.Marshal(out)
	if err != nil {
		return dispatch.Reply{}, fmt.Errorf("encoding list: %w", err)
	}
	return dispatch.Reply{Status: http.StatusOK, Body: append([]byte(xml.Header), body...)}, nil
}

// common is the prefix up to the delimiter that a key is listed under, "" for the key itself.
func (l listing) common(key string) string {
	rest, ok := strings.CutPrefix(key, l.prefix)
	if !ok || l.delimiter == "" {
		return ""
	}
	before, _, ok := strings.Cut(rest, l.delimiter)
	if !ok {
		return ""
	}
	return l.prefix + before + l.delimiter
}

// after tells whether a key comes after what earlier pages have shown, and where the caller wants to begin.
func (l listing) after(key, common string) bool {
	shown := key
	if common != "" {
		shown = common
	}
	return shown > l.token && key > l.startAfter
}

func badArgument(message string) error {
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: message}
}
