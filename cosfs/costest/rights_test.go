package costest

import (
	"testing"
)

func TestDenied(t *testing.T) {
	r := newRig(t, WithCredentials("id", "key"), WithCredentials("other", "key"), WithDenied("id", "GetBucket", "HeadObject"))
	r.Put(testBucket, "f", []byte("data"))
	status := func(id string) (list, head int) {
		c := r.sdk(id, "key", "")
		_, answer, _ := c.Bucket.Get(t.Context(), nil)
		list = answer.StatusCode
		answer, _ = c.Object.Head(t.Context(), "f", nil)
		return list, answer.StatusCode
	}
	for _, c := range []struct {
		name       string
		id         string
		list, head int
		then       func()
	}{
		{"both denied", "id", 403, 403, func() { r.Deny("id", "PutObjectCopy", "GetObject") }},
		{"another key pair", "other", 200, 200, nil},
		{"others denied", "id", 200, 200, func() { r.Allow("id", "HeadObject") }},
		{"only one allowed", "id", 403, 200, func() { r.Deny("id") }},
		{"none denied", "id", 200, 200, nil},
	} {
		if list, head := status(c.id); list != c.list || head != c.head {
			t.Errorf("%s: list %d, head %d, want %d, %d", c.name, list, head, c.list, c.head)
		}
		if c.then != nil {
			c.then()
		}
	}
	r.Deny("id", "GetObject")
	source := Host(testBucket) + "/f"
	if _, _, err := r.sdk("id", "key", "").Object.Copy(t.Context(), "g", source, nil); err == nil {
		t.Error("a copy needs no GetObject")
	}
}

func TestForbiddenMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		denied []string
		want   int
	}{
		{"may list", nil, 404},
		{"may not list", []string{"GetBucket"}, 403},
	} {
		r := newRig(t, WithCredentials("id", "key"), WithForbiddenMissing(), WithDenied("id", c.denied...))
		r.Put(testBucket, "f", []byte("data"))
		sdk := r.sdk("id", "key", "")
		head, _ := sdk.Object.Head(t.Context(), "none", nil)
		get, _ := sdk.Object.Get(t.Context(), "none", nil)
		if head.StatusCode != c.want || get.StatusCode != c.want {
			t.Errorf("%s: HEAD %d, GET %d, want %d", c.name, head.StatusCode, get.StatusCode, c.want)
		}
		if there, _ := sdk.Object.Head(t.Context(), "f", nil); there.StatusCode != 200 {
			t.Errorf("%s: HEAD of a key that exists: %d", c.name, there.StatusCode)
		}
	}
}
