package dispatch

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// chunked tells whether the body is in the aws-chunked framing, which carries checksums in a trailer.
func chunked(h http.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		if slices.Contains(strings.Split(strings.ReplaceAll(v, " ", ""), ","), "aws-chunked") {
			return true
		}
	}
	return false
}

var errFraming = errors.New("malformed aws-chunked body")

// unchunk decodes "size[;chunk-signature=…]\r\n data \r\n … 0\r\n name:value\r\n \r\n". Chunk signatures are not checked.
func unchunk(b []byte) (body []byte, trailer http.Header, err error) {
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return nil, nil, errFraming
		}
		digits, _, _ := strings.Cut(string(line), ";")
		size, err := strconv.ParseUint(digits, 16, 31)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: chunk size %q", errFraming, digits)
		}
		if size == 0 {
			trailer, err := parseTrailer(rest)
			return body, trailer, err
		}
		if uint64(len(rest)) < size+2 || rest[size] != '\r' || rest[size+1] != '\n' {
			return nil, nil, errFraming
		}
		body = append(body, rest[:size]...)
		b = rest[size+2:]
	}
}

func parseTrailer(b []byte) (http.Header, error) {
	h := http.Header{}
	for line := range strings.SplitSeq(string(b), "\r\n") {
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%w: trailer %q", errFraming, line)
		}
		h.Set(name, strings.TrimSpace(value))
	}
	return h, nil
}
