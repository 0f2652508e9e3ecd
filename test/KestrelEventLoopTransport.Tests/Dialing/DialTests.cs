using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Dialing;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Dials to real sockets: what they connect to, and how they fail.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialTests : IDisposable
{
    private readonly SocketPath _path = new();

    public void Dispose() => _path.Dispose();

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connects_to_every_kind_of_endpoint(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        EndPoint[] endPoints =
        [
            new IPEndPoint(IPAddress.Loopback, 0),
            new IPEndPoint(IPAddress.IPv6Loopback, 0),
            new UnixDomainSocketEndPoint(_path.Path),
            new UnixDomainSocketEndPoint("/@kelt-dial-" + Guid.NewGuid()),
        ];
        foreach (var endPoint in endPoints)
        {
            var listener = await transport.BindAsync(endPoint);
            var target = endPoint is IPEndPoint ? listener.EndPoint : endPoint;
            await AssertConnectsAsync(transport, listener, target);
        }
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task A_name_that_is_an_address_is_not_resolved(string host)
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(host), 0));
        var factory = WithResolver(transport, static (_, _, _) => throw new InvalidOperationException("Not asked."));

        await AssertConnectsAsync(transport, listener, new DnsEndPoint(host, PortOf(listener)), factory);
    }

    [Fact]
    public async Task The_name_of_this_host_connects()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("localhost", PortOf(listener)));
    }

    // The first family refuses, the second accepts.
    [Fact]
    public async Task A_refused_address_is_followed_by_the_next()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();
        var factory = WithResolver(transport, Both);

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", PortOf(listener)), factory);
    }

    // The first address gives no answer: its listener's queue is full.
    [Fact]
    public async Task An_address_that_does_not_answer_is_overtaken_by_the_next()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();
        var port = PortOf(listener);
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.IPv6Loopback, port));
        var connecting = CountConnectingTo(port);
        var factory = WithResolver(transport, Both);

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", port), factory);

        // The loser is closed.
        await Poll.UntilAsync(() => CountConnectingTo(port) <= connecting);
    }

    // The second attempt begins on the thread pool, after the first is refused.
    [Fact]
    public async Task The_hook_runs_in_the_context_of_the_caller()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();
        var local = new AsyncLocal<string>();
        var seen = new List<string?>();
        var factory = WithResolver(
            transport, Both, options => options.ConfigureClientSocket = _ => seen.Add(local.Value));
        local.Value = "caller";

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", PortOf(listener)), factory);

        Assert.Equal(["caller", "caller"], seen);
    }

    [Fact]
    public async Task A_lookup_that_is_canceled_with_the_dial_is_a_cancellation()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        // The lookups fail while the token is being canceled.
        var factory = WithResolver(transport, static (_, _, token) =>
        {
            var lookup = new TaskCompletionSource<IPAddress[]>();
            token.UnsafeRegister(
                static lookup => ((TaskCompletionSource<IPAddress[]>)lookup!).SetException(
                    new SocketException((int)SocketError.TryAgain)),
                lookup);
            return lookup.Task;
        });
        using var cancellation = new CancellationTokenSource();
        var dial = factory.ConnectAsync(new DnsEndPoint("slow.test", 80), cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        var failure = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());
        Assert.Equal(cancellation.Token, failure.CancellationToken);
    }

    [Fact]
    public async Task A_lookup_is_canceled_after_the_timeout()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var canceled = Signal.New();
        var factory = WithResolver(
            transport,
            async (name, family, token) =>
            {
                using var registration = token.Register(() => canceled.TrySetResult());
                return await NeverAsync(name, family, token);
            },
            static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));

        var failure = await Assert.ThrowsAsync<SocketException>(
            () => factory.ConnectAsync(new DnsEndPoint("slow.test", 80)).DefaultTimeout());

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        await canceled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task A_slow_answer_for_the_other_family_is_not_waited_for()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();
        var never = new TaskCompletionSource<IPAddress[]>();
        var factory = WithResolver(
            transport,
            (name, family, token) => family == AddressFamily.InterNetworkV6 ? never.Task : Both(name, family, token));

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("slow.test", PortOf(listener)), factory);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_refused_connection_says_so(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());

        var failure = await Assert.ThrowsAsync<SocketException>(() => DialAsync(transport, endPoint));

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.Contains(endPoint.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_without_a_socket_says_so()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var failure = await Assert.ThrowsAsync<SocketException>(
            () => DialAsync(transport, new UnixDomainSocketEndPoint(_path.Path)));

        Assert.Equal(SocketError.AddressNotAvailable, failure.SocketErrorCode);
    }

    [Fact]
    public async Task When_every_address_refuses_the_failure_names_them_all()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var port = FreePort.Next();
        var factory = WithResolver(transport, Both);

        var failure = await Assert.ThrowsAsync<SocketException>(
            () => factory.ConnectAsync(new DnsEndPoint("both.test", port)).DefaultTimeout());

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.Contains($"[::1]:{port}", failure.Message, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{port}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_does_not_exist_says_so()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var factory = WithResolver(
            transport, static (_, _, _) => throw new SocketException((int)SocketError.HostNotFound));

        var failure = await Assert.ThrowsAsync<SocketException>(
            () => factory.ConnectAsync(new DnsEndPoint("missing.test", 80)).DefaultTimeout());

        Assert.Equal(SocketError.HostNotFound, failure.SocketErrorCode);
        Assert.Contains("missing.test:80", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Without_an_answer_the_timeout_ends_it(ApplicationScheduling scheduling)
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = Create(scheduling, static o => o.ConnectTimeout = TimeSpan.FromMilliseconds(50));

        var failure = await Assert.ThrowsAsync<SocketException>(() => DialAsync(transport, deaf.EndPoint));

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        Assert.Contains("within ConnectTimeout", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Cancellation_ends_it_with_the_callers_token(ApplicationScheduling scheduling)
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = new TestTransport(scheduling);
        using var cancellation = new CancellationTokenSource();
        var dial = transport.Client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
        Assert.False(dial.IsCompleted);

        await cancellation.CancelAsync();

        var canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());
        Assert.Equal(cancellation.Token, canceled.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => transport.Client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask());
    }

    [Fact]
    public async Task Cancellation_ends_it_while_the_name_is_resolved()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var never = new TaskCompletionSource<IPAddress[]>();
        using var cancellation = new CancellationTokenSource();
        var dial = WithResolver(transport, (_, _, _) => never.Task)
            .ConnectAsync(new DnsEndPoint("slow.test", 80), cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());

        // The answer that comes later finds that the dial has ended.
        never.SetResult([IPAddress.Loopback]);
    }

    // The kernel lets a socket connect to itself: bound to the port it connects to.
    [Fact]
    public async Task A_connection_to_itself_is_refused()
    {
        // An earlier connection may still wait at a port that nothing listens on (TIME_WAIT).
        var error = SocketError.AddressAlreadyInUse;
        for (var i = 0; i < 50 && error == SocketError.AddressAlreadyInUse; i++)
        {
            var own = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
            await using var transport = Create(ApplicationScheduling.Adaptive, options => options.LocalEndPoint = own);
            error = (await Assert.ThrowsAsync<SocketException>(() => DialAsync(transport, own))).SocketErrorCode;
        }

        Assert.Equal(SocketError.ConnectionRefused, error);
    }

    [Fact]
    public async Task A_unix_listener_without_room_is_tried_again()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var endPoint = new UnixDomainSocketEndPoint(_path.Path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endPoint);
        listener.Listen(0);
        await using var first = await DialAsync(transport, endPoint);
        var second = transport.Client.ConnectAsync(endPoint).AsTask();
        Assert.False(second.IsCompleted);

        using var accepted = await listener.AcceptAsync().DefaultTimeout();

        await using var connection = await second.DefaultTimeout();
        Assert.NotNull(connection.RemoteEndPoint);
    }

    [Fact]
    public async Task A_unix_listener_without_room_is_given_up_after_the_timeout()
    {
        await using var transport = Create(
            ApplicationScheduling.Adaptive, static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));
        var endPoint = new UnixDomainSocketEndPoint(_path.Path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endPoint);
        listener.Listen(0);
        await using var first = await DialAsync(transport, endPoint);

        var failure = await Assert.ThrowsAsync<SocketException>(() => DialAsync(transport, endPoint));

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
    }

    [Fact]
    public async Task An_endpoint_of_another_type_is_not_supported()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        await Assert.ThrowsAsync<NotSupportedException>(() => DialAsync(transport, new OtherEndPoint()));
        await Assert.ThrowsAsync<ArgumentNullException>(() => DialAsync(transport, null!));
    }

    private static async Task AssertConnectsAsync(
        TestTransport transport,
        IConnectionListener listener,
        EndPoint target,
        EventLoopConnectionFactory? factory = null)
    {
        await using var dialed = await (factory ?? transport.Client).ConnectAsync(target).DefaultTimeout();
        await using var accepted = await listener.AcceptAsync().DefaultTimeout();
        await dialed.Transport.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
        var received = await accepted!.Transport.Input.ReadAtLeastAsync(100).DefaultTimeout();
        Assert.Equal(100, received.Buffer.Length);
        accepted.Transport.Input.AdvanceTo(received.Buffer.End);
        Assert.Equal(listener.EndPoint, dialed.RemoteEndPoint);
        if (target is not UnixDomainSocketEndPoint)
        {
            Assert.Equal(accepted.RemoteEndPoint, dialed.LocalEndPoint);
        }
    }

    private static TestTransport Create(
        ApplicationScheduling scheduling, Action<EventLoopClientOptions> configure)
        => new(new TestSettings { Scheduling = scheduling, Client = configure });

    private static Task<ConnectionContext> DialAsync(TestTransport transport, EndPoint endPoint)
        => transport.Client.ConnectAsync(endPoint).DefaultTimeout();

    private static EventLoopConnectionFactory WithResolver(
        TestTransport transport, NameResolver resolver, Action<EventLoopClientOptions>? configure = null)
    {
        var options = new EventLoopClientOptions();
        configure?.Invoke(options);
        return new EventLoopConnectionFactory(
            options,
            transport.Services.GetRequiredService<SharedLoops>(),
            transport.Services.GetRequiredService<TimeoutMetrics>(),
            NullLoggerFactory.Instance,
            resolver);
    }

    /// <summary>Honours the token, as the system's resolver does before the lookup begins.</summary>
    private static async Task<IPAddress[]> NeverAsync(
        string name, AddressFamily family, CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return [];
    }

    private static Task<IPAddress[]> Both(string name, AddressFamily family, CancellationToken cancellationToken)
        => Task.FromResult<IPAddress[]>(
            [family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback]);

    private static int PortOf(IConnectionListener listener) => ((IPEndPoint)listener.EndPoint).Port;

    /// <summary>Sockets of this machine in SYN_SENT to a port.</summary>
    private static int CountConnectingTo(int port)
        => File.ReadLines("/proc/net/tcp6").Concat(File.ReadLines("/proc/net/tcp"))
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Count(fields => fields[2].EndsWith($":{port:X4}", StringComparison.Ordinal) && fields[3] == "02");

    private sealed class OtherEndPoint : EndPoint;
}
