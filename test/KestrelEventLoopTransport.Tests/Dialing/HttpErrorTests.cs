using System.Net.Http.Headers;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>What fails is the same exception as over the system's sockets, down to the error of the socket.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class HttpErrorTests
{
    // The server's side of a conversation. It starts when the request has come.
    private static readonly Dictionary<string, Func<RawClient, Task>> _scripts = new()
    {
        ["reset"] = static peer =>
        {
            peer.Reset();
            return Task.CompletedTask;
        },
        ["end"] = static peer =>
        {
            peer.Dispose();
            return Task.CompletedTask;
        },
        ["nonsense"] = static peer => peer.SendAsync("What do you want?\r\n\r\n"),
        ["cut by a FIN"] = static async peer =>
        {
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHello");
            peer.Dispose();
        },
        ["cut by a reset"] = static async peer =>
        {
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHello");
            peer.Reset();
        },
    };

    public static MatrixTheoryData<string, bool> Scripts => new([.. _scripts.Keys], [false, true]);

    [Theory]
    [MemberData(nameof(Scripts))]
    public async Task A_server_that_breaks_off_is_reported_as_over_sockets(string script, bool usesTls)
    {
        var stock = await RunAsync(LoopbackHttpClient.CreateHandler());
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);

        Assert.Equal(stock, await RunAsync(CreateHandler(server)));

        async Task<string> RunAsync(SocketsHttpHandler handler)
        {
            using var listener = PlainListener.Start();
            var request = SendAsync(handler, $"{(usesTls ? "https" : "http")}://{listener.LocalEndPoint}/");
            using var peer = new RawClient(await listener.AcceptAsync().DefaultTimeout());

            // With TLS, a client hello, which none of the scripts answers as it should.
            await peer.ReceiveExactlyAsync(16);
            await _scripts[script](peer);
            return Describe(await request);
        }
    }

    [Fact]
    public async Task A_refused_connection_is_reported_as_over_sockets()
    {
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        var address = $"http://127.0.0.1:{FreePort.Next()}/";

        var stock = Describe(await SendAsync(LoopbackHttpClient.CreateHandler(), address));

        Assert.Equal(stock, Describe(await SendAsync(CreateHandler(server), address)));
        Assert.Contains(nameof(HttpRequestError.ConnectionError), stock, StringComparison.Ordinal);
    }

    // No server is asked: the name is longer than names can be.
    [Fact]
    public async Task A_name_that_does_not_resolve_is_reported_as_over_sockets()
    {
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        var label = new string('a', 62);
        var address = $"http://{label}.{label}.{label}.{label}.aa/";

        var stock = Describe(await SendAsync(LoopbackHttpClient.CreateHandler(), address));

        Assert.Equal(stock, Describe(await SendAsync(CreateHandler(server), address)));
        Assert.Contains(nameof(HttpRequestError.NameResolutionError), stock, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_is_reported_as_over_sockets()
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            UsesTls = true,
        });
        var address = $"https://{server.EndPoint}/";

        var stock = Describe(await SendAsync(new SocketsHttpHandler { UseProxy = false }, address));

        var handler = new SocketsHttpHandler { UseProxy = false }.UseConnectionFactory(FactoryOf(server));
        Assert.Equal(stock, Describe(await SendAsync(handler, address)));
        Assert.Contains(nameof(HttpRequestError.SecureConnectionError), stock, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connect_time_out_of_the_handler_is_reported_as_over_sockets()
    {
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        using var listener = PlainListener.Start();
        var address = $"https://{listener.LocalEndPoint}/";
        var timeout = TimeSpan.FromMilliseconds(200);

        // It includes the handshake, in which this server does not take part.
        var stock = Describe(await SendAsync(
            new SocketsHttpHandler { UseProxy = false, ConnectTimeout = timeout }, address));

        var handler = CreateHandler(server);
        handler.ConnectTimeout = timeout;
        Assert.Equal(stock, Describe(await SendAsync(handler, address)));
    }

    private static async Task<Exception> SendAsync(SocketsHttpHandler handler, string address)
    {
        using var client = new HttpClient(handler);
        client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("test", "1"));
        return await Assert.ThrowsAnyAsync<Exception>(() => client.GetByteArrayAsync(address).DefaultTimeout());
    }

    /// <summary>The chain of exceptions, without their texts.</summary>
    private static string Describe(Exception? exception) => exception switch
    {
        null => "",
        HttpRequestException http => $"{nameof(HttpRequestException)} {http.HttpRequestError}, {Inner(http)}",
        HttpIOException http => $"{nameof(HttpIOException)} {http.HttpRequestError}, {Inner(http)}",
        SocketException socket => $"{nameof(SocketException)} {socket.SocketErrorCode}",

        // A class of its own is still what a handler of IOException catches.
        IOException => $"{nameof(IOException)}, {Inner(exception)}",
        _ => $"{exception.GetType().Name}, {Inner(exception)}",
    };

    private static string Inner(Exception exception) => Describe(exception.InnerException);

    private static SocketsHttpHandler CreateHandler(TestServer server)
        => LoopbackHttpClient.CreateHandler().UseConnectionFactory(FactoryOf(server));

    private static EventLoopConnectionFactory FactoryOf(TestServer server)
        => server.Services.GetRequiredService<EventLoopConnectionFactory>();
}
