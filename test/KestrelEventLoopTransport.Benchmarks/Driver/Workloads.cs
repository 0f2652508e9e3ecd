using KestrelEventLoopTransport.Benchmarks.Loads;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class Workloads
{
    // Where the ways to accept differ.
    public const string Close = "close";

    // Where other proxies take part.
    public const string Proxy = "proxy";
    public const string LargeProxy = "proxy-64k";

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
        Http2("http2", clients: 8, streams: 32),
        Http2("http2-1x100", clients: 1, streams: 100),
        Http2("http2-32x1", clients: 32, streams: 1),
        new("grpc", "gRPC, unary", Request, new GrpcLoad(GrpcShape.Unary)),
        new("grpc-tls", "gRPC over TLS, unary", Request, new GrpcLoad(GrpcShape.Unary, Https: true)),
        new("grpc-stream", "gRPC, server streams", Message, new GrpcLoad(GrpcShape.ServerStream)),
        new("grpc-stream-tls", "gRPC over TLS, server streams", Message,
            new GrpcLoad(GrpcShape.ServerStream, Https: true)),
        new("grpc-duplex", "gRPC, echo on duplex streams", Message, new GrpcLoad(GrpcShape.Duplex)),
        new("grpc-duplex-tls", "gRPC over TLS, echo on duplex streams", Message,
            new GrpcLoad(GrpcShape.Duplex, Https: true)),
        new("mqtt", "MQTT, publish with QoS 1, 128 B", Message, new NativeLoad("mqtt", Connections, MessageSize)),
        Await("await", connections: 64),
        Await("await-1000", connections: 1000),
        new("echo", "Raw echo, 128 B", Message, new NativeLoad("echo", Connections, MessageSize), HasFloor: true),
        new(Close, "Connection per request", Request, new WrkLoad("/plaintext", CloseConnections: true),
            new ResponseCheck("/plaintext", _plaintext), HasFloor: true),
        new("tls", "Plaintext over TLS", Request, new WrkLoad("/plaintext", Https: true),
            new ResponseCheck("/plaintext", _plaintext, Https: true)),
        new("tls-64k", "64 KB responses over TLS", Request, new WrkLoad("/64k", Https: true),
            new ResponseCheck("/64k", new byte[BenchmarkEndpoints.LargeBodySize], Https: true)),
        new("tls-close", "TLS, connection per request", Request,
            new WrkLoad("/plaintext", Https: true, CloseConnections: true),
            new ResponseCheck("/plaintext", _plaintext, Https: true)),
        new("upload", "Upload", Workload.Megabyte, new NativeLoad("upload", BulkConnections, BulkSize)),
        new("download", "Download", Workload.Megabyte, new NativeLoad("download", BulkConnections, BulkSize)),
        new("websocket", "WebSocket echo, 128 B", Message, new NativeLoad("ws", Connections, MessageSize)),
        new("mixed", "Plaintext, 1 % of the handlers block for 20 ms", Request, new WrkLoad("/mixed"),
            new ResponseCheck("/mixed", _plaintext)),
        new("block", "Plaintext beside 8 blocked handlers", Request, new BlockLoad(),
            new ResponseCheck("/plaintext", _plaintext)),
        new(Proxy, "Reverse proxy, plaintext", Request, new WrkLoad("/proxy/plaintext"),
            new ResponseCheck("/proxy/plaintext", _plaintext), NeedsUpstream: true),
        new(LargeProxy, "Reverse proxy, 64 KB responses", Request, new WrkLoad("/proxy/64k"),
            new ResponseCheck("/proxy/64k", new byte[BenchmarkEndpoints.LargeBodySize]), NeedsUpstream: true),
        Client(ClientRun.Http1, "client", "HttpClient, HTTP/1.1"),
        Client(ClientRun.Http2, "client-http2", "HttpClient, HTTP/2"),
        Client(ClientRun.Tls, "client-tls", "HttpClient, HTTP/1.1 over TLS"),
        Client(ClientRun.Connect, "client-connect", "Client, connect and close", "connection"),
        Orleans("orleans", clients: 16, calls: 4),
        Orleans("orleans-1x64", clients: 1, calls: 64),
    ];

    private static Workload Http2(string name, int clients, int streams)
        => new(name, $"HTTP/2, {clients} × {streams}", Request, new H2Load("/plaintext", clients, streams),
            new ResponseCheck("/plaintext", _plaintext, Http2: true));

    private static Workload Client(ClientRun run, string name, string title, string unit = Request)
        => new(name, title, unit, new ClientLoad(run), NeedsUpstream: true);

    private static Workload Orleans(string name, int clients, int calls)
        => new(name, $"Orleans, calls of grains, {clients} × {calls}", "call", new OrleansLoad(clients, calls),
            NeedsSilo: true);

    private static Workload Await(string name, int connections)
        => new(name, $"Handlers that await 10 ms, {connections:N0} connections", Request,
            new WrkLoad("/await", Connections: connections), new ResponseCheck("/await", _plaintext));
}
