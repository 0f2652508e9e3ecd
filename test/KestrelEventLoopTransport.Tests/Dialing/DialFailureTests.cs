using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Dials to real sockets that fail, time out or are canceled.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialFailureTests : IDisposable
{
    private readonly SocketPath _path = new();

    public void Dispose() => _path.Dispose();

    // The lookups fail while the token is being canceled.
    [Fact]
    public async Task A_lookup_that_is_canceled_with_the_dial_is_a_cancellation()
    {
        await using var transport = DialTransport.Create(static (_, _, token) =>
        {
            var lookup = new TaskCompletionSource<IPAddress[]>();
            token.UnsafeRegister(
                static lookup => ((TaskCompletionSource<IPAddress[]>)lookup!).SetException(
                    new SocketException((int)SocketError.TryAgain)),
                lookup);
            return lookup.Task;
        });
        using var cancellation = new CancellationTokenSource();
        var dial = transport.Client.ConnectAsync(new DnsEndPoint("slow.test", 80), cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        var failure = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());
        Assert.Equal(cancellation.Token, failure.CancellationToken);
    }

    [Fact]
    public async Task A_lookup_is_canceled_after_the_timeout()
    {
        var canceled = Signal.New();
        await using var transport = DialTransport.Create(
            async (name, family, token) =>
            {
                using var registration = token.Register(() => canceled.TrySetResult());
                return await DialTransport.NeverAsync(name, family, token);
            },
            static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));

        var failure = await FailAsync(transport, new DnsEndPoint("slow.test", 80));

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        await canceled.Task.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_refused_connection_says_so(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());

        var failure = await FailAsync(transport, endPoint);

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.Contains(endPoint.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_without_a_socket_says_so()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var failure = await FailAsync(transport, new UnixDomainSocketEndPoint(_path.Path));

        Assert.Equal(SocketError.AddressNotAvailable, failure.SocketErrorCode);
    }

    [Fact]
    public async Task When_every_address_refuses_the_failure_names_them_all()
    {
        await using var transport = DialTransport.Create(DialTransport.BothLoopbacksAsync);
        var port = FreePort.Next();

        var failure = await FailAsync(transport, new DnsEndPoint("both.test", port));

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.Contains($"[::1]:{port}", failure.Message, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{port}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_does_not_exist_says_so()
    {
        await using var transport = DialTransport.Create(
            static (_, _, _) => throw new SocketException((int)SocketError.HostNotFound));

        var failure = await FailAsync(transport, new DnsEndPoint("missing.test", 80));

        Assert.Equal(SocketError.HostNotFound, failure.SocketErrorCode);
        Assert.Contains("missing.test:80", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Without_an_answer_the_timeout_ends_it(ApplicationScheduling scheduling)
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = DialTransport.Create(
            scheduling, static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));

        var failure = await FailAsync(transport, deaf.EndPoint);

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        Assert.Contains("within ConnectTimeout", failure.Message, StringComparison.Ordinal);
    }

    // Inline, where what awaits a connection goes on on the loop.
    [Fact]
    public async Task What_awaits_a_failure_goes_on_on_the_thread_pool()
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = DialTransport.Create(
            ApplicationScheduling.Inline, static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));
        EndPoint[] targets = [deaf.EndPoint, new IPEndPoint(IPAddress.Loopback, FreePort.Next())];
        foreach (var target in targets)
        {
            var isOnPool = await Task.Run(async () =>
            {
                await Assert.ThrowsAsync<SocketException>(() => transport.Client.ConnectAsync(target).AsTask());
                return Thread.CurrentThread.IsThreadPoolThread;
            }).DefaultTimeout();

            Assert.True(isOnPool, $"{target}");
        }
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
        var never = new TaskCompletionSource<IPAddress[]>();
        await using var transport = DialTransport.Create((_, _, _) => never.Task);
        using var cancellation = new CancellationTokenSource();
        var dial = transport.Client.ConnectAsync(new DnsEndPoint("slow.test", 80), cancellation.Token).AsTask();

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
            await using var transport = DialTransport.Create(
                ApplicationScheduling.Adaptive, options => options.LocalEndPoint = own);
            error = (await FailAsync(transport, own)).SocketErrorCode;
        }

        Assert.Equal(SocketError.ConnectionRefused, error);
    }

    [Fact]
    public async Task A_unix_listener_without_room_is_given_up_after_the_timeout()
    {
        await using var transport = DialTransport.Create(
            ApplicationScheduling.Adaptive, static options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));
        var endPoint = new UnixDomainSocketEndPoint(_path.Path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endPoint);
        listener.Listen(0);
        await using var first = await transport.Client.ConnectAsync(endPoint).DefaultTimeout();

        var failure = await FailAsync(transport, endPoint);

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
    }

    [Fact]
    public async Task An_endpoint_of_another_type_is_not_supported()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        await Assert.ThrowsAsync<NotSupportedException>(
            () => transport.Client.ConnectAsync(new OtherEndPoint()).DefaultTimeout());
        await Assert.ThrowsAsync<ArgumentNullException>(() => transport.Client.ConnectAsync(null!).DefaultTimeout());
    }

    [Fact]
    public async Task A_descriptor_out_of_range_is_an_argument_that_is_wrong()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var endPoint = new FileHandleEndPoint(1UL << 32, FileHandleType.Auto);

        var failure = await Assert.ThrowsAsync<ArgumentException>(
            () => transport.Client.ConnectAsync(endPoint).DefaultTimeout());

        Assert.Equal("endpoint", failure.ParamName);
        Assert.Contains("Descriptor 4294967296 is out of range", failure.Message, StringComparison.Ordinal);
    }

    private static Task<SocketException> FailAsync(TestTransport transport, EndPoint target)
        => Assert.ThrowsAsync<SocketException>(() => transport.Client.ConnectAsync(target).DefaultTimeout());

    private sealed class OtherEndPoint : EndPoint;
}
