using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>User code that runs where connections are accepted, and that does not return.</summary>
[Trait("Contract", "24")]
[FailsOnStock("Hooks of ours.")]
[Slow]
public sealed class EndlessHookTests
{
    public static MatrixTheoryData<ApplicationScheduling, bool> HookAndBalancer
        => new(EveryScheduling.Values, [false, true]);

    [Theory]
    [MemberData(nameof(HookAndBalancer))]
    public async Task Who_is_in_a_hurry_does_not_wait_for_it(ApplicationScheduling scheduling, bool balancer)
    {
        using var code = new EndlessCode();
        await using var transport = new TestTransport(scheduling, options => code.AddTo(options, balancer));
        var listener = await transport.BindAsync();
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        using var queued = await RawClient.ConnectAsync(listener.EndPoint);
        await code.EnteredAsync();

        await listener.UnbindAsync(new CancellationToken(canceled: true)).DefaultTimeout();
        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
        await listener.DisposeAsync().DefaultTimeout();

        // No client is left in a queue that nobody reads.
        var refused = await Assert.ThrowsAsync<SocketException>(() => RawClient.ConnectAsync(listener.EndPoint));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);

        // It comes back, and the connection that nobody takes any more is closed. The pools are checked at the end.
        code.Return();
        foreach (var left in new[] { client, queued })
        {
            try
            {
                await left.ExpectFinAsync();
            }
            catch (SocketException exception)
            {
                Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
            }
        }
    }

    [Fact]
    public async Task The_path_of_a_stopping_Unix_socket_goes_before_its_last_clients_are_accepted()
    {
        using var path = new SocketPath();
        using var code = new EndlessCode();
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, options => code.AddTo(options, balancer: false));
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await code.EnteredAsync();

        var unbind = listener.UnbindAsync().AsTask();

        await Poll.UntilAsync(() => !File.Exists(path.Path));
        Assert.False(unbind.IsCompleted);
        code.Return();
        await unbind.DefaultTimeout();
        await using var connection = await listener.AcceptAsync().DefaultTimeout();
        Assert.NotNull(connection);
    }

    private sealed class EndlessCode : IDisposable
    {
        private readonly ManualResetEventSlim _entered = new();
        private readonly ManualResetEventSlim _returns = new();

        public void AddTo(EventLoopTransportOptions options, bool balancer)
        {
            if (balancer)
            {
                options.EndpointDefaults.CustomLoadBalancer = (in _) =>
                {
                    Run();
                    return 0;
                };
            }
            else
            {
                options.EndpointDefaults.ConfigureAcceptedSocket = _ => Run();
            }
        }

        public async Task EnteredAsync()
            => Assert.True(await Task.Run(() => _entered.Wait(TaskTimeoutExtensions.Default)));

        public void Return() => _returns.Set();

        public void Dispose()
        {
            _entered.Dispose();
            _returns.Dispose();
        }

        private void Run()
        {
            _entered.Set();
            _returns.Wait();
        }
    }
}
