using KestrelEventLoopTransport.Benchmarks.Loads;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class Workloads
{
    // Idle connections are counted in bytes, not in operations, and have a measurement of their own.
    public const string Idle = "idle";

    // Where the ways to accept differ.
    public const string Close = "close";

    private const string Request = "request";
    private const string Message = "message";
    private const int Connections = 64;
    private const int MessageSize = 128;
    private const int BulkConnections = 8;
    private const int BulkSize = 8_000_000;

    private static readonly byte[] _plaintext = "Hello, World!"u8.ToArray();
    private static readonly byte[] _json = """{"message":"Hello, World!"}"""u8.ToArray();

    public static IReadOnlyList<Workload> All { get; } =
    [
        new("plaintext", "Plaintext, keep-alive", Request, new WrkLoad("/plaintext"),
            new ResponseCheck("/plaintext", _plaintext), HasFloor: true),
        new("pipelined", "Plaintext, 16 pipelined", Request, new WrkLoad("/plaintext", Pipeline: 16),
            new ResponseCheck("/plaintext", _plaintext), HasFloor: true),
        new("json", "JSON", Request, new WrkLoad("/json"), new ResponseCheck("/json", _json)),
        new("64k", "64 KB responses", Request, new WrkLoad("/64k"),
            new ResponseCheck("/64k", new byte[BenchmarkEndpoints.LargeBodySize])),
        new("http2", "HTTP/2, 8 × 32 streams", Request, new H2Load("/plaintext"),
            new ResponseCheck("/plaintext", _plaintext, Http2: true)),
        new("echo", "Raw echo, 128 B", Message, new NativeLoad("echo", Connections, MessageSize), HasFloor: true),
        new(Close, "Connection per request", Request, new WrkLoad("/plaintext", CloseConnections: true),
            new ResponseCheck("/plaintext", _plaintext), HasFloor: true),
        new("tls", "Plaintext over TLS", Request, new WrkLoad("/plaintext", Https: true),
            new ResponseCheck("/plaintext", _plaintext, Https: true)),
        new("upload", "Upload", Workload.Megabyte, new NativeLoad("upload", BulkConnections, BulkSize)),
        new("download", "Download", Workload.Megabyte, new NativeLoad("download", BulkConnections, BulkSize)),
        new("websocket", "WebSocket echo, 128 B", Message, new NativeLoad("ws", Connections, MessageSize)),
        new("mixed", "Plaintext, 1 % of the handlers block for 20 ms", Request, new WrkLoad("/mixed"),
            new ResponseCheck("/mixed", _plaintext)),
        new("block", "Plaintext beside 8 blocked handlers", Request, new BlockLoad(),
            new ResponseCheck("/plaintext", _plaintext)),
    ];
}
