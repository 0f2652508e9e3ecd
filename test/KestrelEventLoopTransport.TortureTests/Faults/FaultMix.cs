namespace KestrelEventLoopTransport.TortureTests;

/// <summary>How often each call fails, per million.</summary>
internal sealed class FaultMix
{
    // As much as a server can bear and still get work done: shortages pause it for milliseconds, resets end
    // connections.
    private static readonly Dictionary<string, int> _most = new()
    {
        ["read-short"] = 400_000,
        ["read-EINTR"] = 200_000,
        ["read-EAGAIN"] = 300_000,
        ["read-ECONNRESET"] = 4000,
        ["read-ENOMEM"] = 20_000,
        ["write-short"] = 400_000,
        ["write-EINTR"] = 200_000,
        ["write-EAGAIN"] = 300_000,
        ["write-ECONNRESET"] = 4000,
        ["write-EPIPE"] = 4000,
        ["write-ENOBUFS"] = 20_000,
        ["accept-EINTR"] = 200_000,
        ["accept-EAGAIN"] = 200_000,
        ["accept-ECONNABORTED"] = 30_000,
        ["accept-EPROTO"] = 30_000,
        ["accept-EMFILE"] = 10_000,
        ["accept-ENFILE"] = 10_000,
        ["accept-ENOBUFS"] = 10_000,
        ["accept-ENOMEM"] = 10_000,
        ["register-ENOMEM"] = 20_000,
        ["setup-shortage"] = 150_000,
        ["wait-EINTR"] = 100_000,
        ["event-spurious"] = 300_000,
        ["event-repeated"] = 200_000,
        ["event-delayed"] = 200_000,
        ["event-reordered"] = 500_000,
        ["event-split"] = 300_000,
        ["event-stale"] = 500_000,
        ["close-EINTR"] = 300_000,
        ["sleep-EINTR"] = 200_000,
        ["call-slow"] = 50_000,
        ["connect-EINTR"] = 300_000,
        ["connect-EAGAIN"] = 300_000,
        ["connect-ECONNREFUSED"] = 30_000,
        ["connect-shortage"] = 30_000,
        ["run-refused"] = 20_000,
    };

    private static readonly Dictionary<string, string[]> _kinds = new()
    {
        ["none"] = [],
        ["transfers"] = ["read-short", "read-EINTR", "read-EAGAIN", "write-short", "write-EINTR", "write-EAGAIN",
            "connect-EINTR", "run-refused"],
        ["would-block"] = ["read-EAGAIN", "write-EAGAIN", "connect-EINTR", "connect-EAGAIN"],
        ["readiness"] = ["event-", "wait-EINTR"],
        ["late"] = ["event-delayed", "event-stale", "event-split"],
        ["shortages"] = ["read-ENOMEM", "write-ENOBUFS", "accept-EMFILE", "accept-ENFILE", "accept-ENOBUFS",
            "accept-ENOMEM", "register-", "setup-", "connect-shortage"],
        ["slow"] = ["call-slow", "event-delayed"],
        ["resets"] = ["read-ECONNRESET", "write-ECONNRESET", "write-EPIPE", "accept-ECONNABORTED", "accept-EPROTO",
            "event-stale", "event-delayed", "connect-ECONNREFUSED"],
        ["all"] = [""],
        ["any"] = [""],
    };

    private FaultMix(string name, uint[] perMillion)
    {
        Name = name;
        PerMillion = perMillion;
    }

    public string Name { get; }

    public IReadOnlyList<uint> PerMillion { get; }

    public static FaultMix Create(Random random)
    {
        var (name, prefixes) = _kinds.ElementAt(random.Next(_kinds.Count));

        // Many episodes fail rarely: what one fault has broken, the next one may repair. But a server is set up once.
        var scale = Math.Pow(random.NextDouble(), 2);
        var rates = FaultyLibc.Names.Select(fault =>
            prefixes.Any(prefix => fault.StartsWith(prefix, StringComparison.Ordinal))
                && (name != "any" || random.Next(2) == 0)
                ? (uint)(_most[fault] * (fault == "setup-shortage" ? 1 : scale) * random.NextDouble())
                : 0);
        return new FaultMix(name, [.. rates]);
    }

    /// <summary>Some faults, every time.</summary>
    public static FaultMix Always(params string[] faults)
        => new("always", [.. FaultyLibc.Names.Select(name => faults.Contains(name) ? 1_000_000u : 0)]);

    public override string ToString() => Name;
}
