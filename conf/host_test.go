package conf

import "testing"

func TestHost(t *testing.T) {
	for _, c := range []struct{ region, endpoint, want string }{
		{"ap-guangzhou", "", "b-125.cos.ap-guangzhou.myqcloud.com"},
		{"accelerate", "", "b-125.cos.accelerate.myqcloud.com"},
		{"cos.ap-beijing-1", "", "b-125.cos.ap-beijing-1.myqcloud.com"},
		{"cossh", "", "b-125.cos.ap-shanghai.myqcloud.com"},
		{"costj", "", "b-125.cos.ap-beijing-1.myqcloud.com"},
		{"cn-south", "", "b-125.cn-south.myqcloud.com"},
		{"sg", "", "b-125.sg.myqcloud.com"},
		{"", "cos.ap-x.tencentcos.cn", "b-125.cos.ap-x.tencentcos.cn"},
		{"ap-guangzhou", "localhost:9101", "b-125.localhost:9101"},
	} {
		a := Account{Bucket: "b-125", Region: c.region, Endpoint: c.endpoint}
		if got := a.Host(); got != c.want {
			t.Errorf("region %q, endpoint %q: %s, want %s", c.region, c.endpoint, got, c.want)
		}
	}
}

func TestPartSize(t *testing.T) {
	for _, c := range []struct{ least, most, want int64 }{
		{2 * mib, 21474836480, 2147484},
		{2 * mib, 200 * gib, 21474837},
		{8 * mib, 200 * gib, 21474837},
		{2 * mib, 1, 2 * mib},
		{2 * mib, 20000 * mib, 2 * mib},
		{2 * mib, 20000*mib + 1, 2*mib + 1},
		{2 * mib, 43980465111040000, 5 * gib},
		{2 * mib, 1<<63 - 1, 5 * gib},
	} {
		cfg := Config{MinPartSize: c.least, SingleFileMaxSize: c.most}
		if got := cfg.PartSize(); got != c.want {
			t.Errorf("min_part_size %d, single_file_max_size %d: %d, want %d", c.least, c.most, got, c.want)
		}
	}
}
