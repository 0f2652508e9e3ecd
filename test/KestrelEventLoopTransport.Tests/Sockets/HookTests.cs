using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>The hooks on the listening and on the accepted socket.</summary>
[Trait("Contract", "options")]
[FailsOnStock("Hooks of ours.")]
public sealed class HookTests
{
    public static MatrixTheoryData<ApplicationScheduling, string> EveryEndPoint
        => new(EveryScheduling.Values, ["ip", "unix", "abstract", "handle"]);

    // The kernel announces what it has put into the error queue, as it does errors.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Time_stamps_that_a_hook_has_switched_on_break_no_connection(ApplicationScheduling scheduling)
    {
        const int SO_TIMESTAMPING = 37;
        const int Acknowledged = 1 << 9;
        const int Software = 1 << 4;
        await using var transport = new TestTransport(scheduling, static options =>
            options.EndpointDefaults.ConfigureAcceptedSocket = static context => context.SetOption(
                Libc.SOL_SOCKET, SO_TIMESTAMPING, Acknowledged | Software));
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        for (var i = 0; i < 5; i++)
        {
            await pair.Connection.Transport.Output.WriteAsync(Pattern.Create(100));
            Pattern.AssertMatches(await pair.Client.ReceiveExactlyAsync(100));
        }

        var fd = (int)pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.Handle;
        await Poll.UntilAsync(() => (Libc.PollEvents(fd) & Libc.POLLERR) != 0);

        await pair.Client.SendAsync(Pattern.Create(100));

        var result = await read.DefaultTimeout();
        Pattern.AssertMatches(result.Buffer.ToArray());
        Assert.False(pair.Connection.ConnectionClosed.IsCancellationRequested);
        pair.Input.AdvanceTo(result.Buffer.End);
        pair.Client.Reset();
        await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
    }

    [Theory]
    [MemberData(nameof(EveryEndPoint))]
    public async Task Both_hooks_get_the_real_socket(ApplicationScheduling scheduling, string kind)
    {
        using var path = new SocketPath();
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        EndPoint endPoint = kind switch
        {
            "ip" => new IPEndPoint(IPAddress.Loopback, 0),
            "unix" => new UnixDomainSocketEndPoint(path.Path),
            "abstract" => new UnixDomainSocketEndPoint("\0" + path.Path),
            _ => new FileHandleEndPoint((ulong)outside.Handle, FileHandleType.Auto),
        };
        if (kind == "handle")
        {
            outside.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }

        var listening = new List<(EndPoint EndPoint, int Descriptor, bool IsListening)>();
        var accepted = new List<(EndPoint EndPoint, EndPoint Remote, int Descriptor)>();
        await using var transport = new TestTransport(scheduling, options =>
        {
            options.EndpointDefaults.ConfigureListenSocket = context =>
            {
                Assert.Equal(context.FileDescriptor, (int)context.Socket.Handle);
                var listens = context.GetOption(Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN) != 0;
                listening.Add((context.EndPoint, context.FileDescriptor, listens));
            };
            options.EndpointDefaults.ConfigureAcceptedSocket = context =>
            {
                Assert.Equal(context.FileDescriptor, (int)context.Socket.Handle);
                accepted.Add((context.EndPoint, context.RemoteEndPoint, context.FileDescriptor));
            };
        });
        var listener = await transport.BindAsync(endPoint);
        await using var pair = await transport.ConnectAsync(listener);

        var (boundTo, descriptor, isListening) = Assert.Single(listening);
        Assert.Equal(endPoint.ToString(), boundTo.ToString());
        Assert.False(isListening);
        Assert.Equal(1, Libc.GetSocketOption(descriptor, Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN));
        var (acceptedBy, remote, acceptedDescriptor) = Assert.Single(accepted);
        Assert.Equal(listener.EndPoint, acceptedBy);
        Assert.Equal(pair.Connection.RemoteEndPoint, remote);
        Assert.Equal((int)pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.Handle, acceptedDescriptor);
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    // The example of Go's net.ListenConfig.Control: Libc.SO_REUSEPORT works only before the bind.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Any_option_can_be_set_before_the_bind(ApplicationScheduling scheduling)
    {
        static void Share(EventLoopTransportOptions options)
            => options.EndpointDefaults.ConfigureListenSocket = static context => context.SetOption(
                Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1);

        await using var first = new TestTransport(scheduling, Share);
        await using var second = new TestTransport(scheduling, Share);
        var listener = await first.BindAsync();

        var other = await second.BindAsync(listener.EndPoint);

        Assert.Equal(listener.EndPoint, other.EndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Options_set_by_hooks_are_read_back_and_come_after_the_typed_ones(ApplicationScheduling scheduling)
    {
        var quickAck = -1;
        var none = new byte[8];
        await using var transport = new TestTransport(scheduling, options =>
        {
            options.EndpointDefaults.Priority = 1;
            options.EndpointDefaults.ConfigureListenSocket = static context =>
            {
                context.SetOption(Libc.SOL_SOCKET, Libc.SO_PRIORITY, 2);
                context.SetOption(Libc.SOL_SOCKET, Libc.SO_MARK, 7);
                context.SetOption(Libc.IPPROTO_TCP, Libc.TCP_CONGESTION, "reno"u8);
            };
            options.EndpointDefaults.ConfigureAcceptedSocket = context =>
            {
                context.SetOption(Libc.SOL_SOCKET, Libc.SO_PRIORITY, 4);
                context.SetOption(Libc.IPPROTO_TCP, Libc.TCP_QUICKACK, 0);
                quickAck = context.GetOption(Libc.IPPROTO_TCP, Libc.TCP_QUICKACK);
                Assert.Equal(8, context.GetOption(Libc.SOL_SOCKET, Libc.SO_LINGER, none));
            };
        });
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);

        var fd = Assert.Single(ListeningSockets.FindDescriptors(listener.EndPoint));
        var socket = pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.Equal(2, Libc.GetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PRIORITY));
        Assert.Equal(4, Libc.GetSocketOption((int)socket.Handle, Libc.SOL_SOCKET, Libc.SO_PRIORITY));
        Assert.Equal(7, Libc.GetSocketOption((int)socket.Handle, Libc.SOL_SOCKET, Libc.SO_MARK));
        Assert.Equal(
            "reno"u8.ToArray(),
            Libc.GetSocketOptionBytes((int)socket.Handle, Libc.IPPROTO_TCP, Libc.TCP_CONGESTION)[..4]);
        Assert.Equal(0, quickAck);
    }

    [Theory]
    [MemberData(nameof(EveryEndPoint))]
    public async Task An_exception_in_the_listen_hook_fails_the_bind_and_names_the_hook(
        ApplicationScheduling scheduling, string kind)
    {
        using var path = new SocketPath();
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        outside.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        EndPoint endPoint = kind switch
        {
            "ip" => new IPEndPoint(IPAddress.Loopback, 0),
            "unix" => new UnixDomainSocketEndPoint(path.Path),
            "abstract" => new UnixDomainSocketEndPoint("\0" + path.Path),
            _ => new FileHandleEndPoint((ulong)outside.Handle, FileHandleType.Auto),
        };
        var failure = new FormatException("none of this");
        SocketContext? leaked = null;
        await using var transport = new TestTransport(
            scheduling, options => options.EndpointDefaults.ConfigureListenSocket = context =>
        {
            leaked = context;
            throw failure;
        });

        var exception = await Assert.ThrowsAsync<IOException>(() => transport.BindAsync(endPoint));

        Assert.Equal($"ConfigureListenSocket failed for {endPoint}: none of this", exception.Message);
        Assert.Same(failure, exception.InnerException);
        Assert.Throws<ObjectDisposedException>(() => leaked!.FileDescriptor);
        Assert.False(File.Exists(path.Path));
        Assert.Equal(0, Libc.GetSocketOption((int)outside.Handle, Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN));
    }

    // Kestrel tries both loopback addresses and any-address twice; none of that may hide the message.
    [Theory]
    [InlineData("localhost")]
    [InlineData("any")]
    [InlineData("address")]
    public async Task Kestrel_fails_to_start_with_that_message(string kind)
    {
        var port = FreePort.Next();
        var settings = new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            App = static http => http.Response.WriteAsync("x"),
            EndPoint = new IPEndPoint(IPAddress.Parse("127.0.0.9"), 0),
            Transport = static options => options.EndpointDefaults.ConfigureListenSocket = static context =>
            {
                if (((IPEndPoint)context.EndPoint).Address.ToString() != "127.0.0.9")
                {
                    throw new InvalidOperationException("not here");
                }
            },
            Kestrel = kestrel =>
            {
                switch (kind)
                {
                    case "localhost":
                        kestrel.ListenLocalhost(port);
                        break;
                    case "any":
                        kestrel.ListenAnyIP(port);
                        break;
                    default:
                        kestrel.Listen(IPAddress.Loopback, port);
                        break;
                }
            },
        };

        var exception = await Assert.ThrowsAsync<IOException>(() => TestServer.StartAsync(settings));

        Assert.StartsWith("ConfigureListenSocket failed for ", exception.Message);
        Assert.EndsWith(": not here", exception.Message);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_exception_in_the_accept_hook_closes_that_connection_and_is_logged_at_Debug(
        ApplicationScheduling scheduling)
    {
        var calls = 0;
        var failure = new FormatException("none of this");
        await using var transport = new TestTransport(
            scheduling, options => options.EndpointDefaults.ConfigureAcceptedSocket = _ =>
        {
            if (++calls <= 3)
            {
                throw failure;
            }
        });
        var listener = await transport.BindAsync();
        var accept = listener.AcceptAsync();
        for (var i = 0; i < 3; i++)
        {
            using var refused = await RawClient.ConnectAsync(listener.EndPoint);
            await refused.ExpectFinAsync();
        }

        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await using var connection = await accept.DefaultTimeout();

        Assert.Equal(client.Socket.LocalEndPoint, connection!.RemoteEndPoint);
        Assert.Equal(4, calls);
        var logged = transport.Logs.Entries.Where(static entry => entry.EventId.Name == "ConfigureAcceptedSocketFailed")
            .ToArray();
        Assert.Equal(3, logged.Length);
        Assert.All(logged, entry =>
        {
            Assert.Equal(LogLevel.Debug, entry.Level);
            Assert.Equal("KestrelEventLoopTransport.Listening", entry.Category);
            Assert.Same(failure, entry.Exception);
            Assert.Equal(
                $"A connection to {listener.EndPoint} was closed because ConfigureAcceptedSocket threw an "
                    + $"exception, or "
                    + "an option of the accepted socket could not be set.",
                entry.Message);
        });
        Assert.DoesNotContain(transport.Logs.Entries, static entry => entry.Level > LogLevel.Debug);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_accept_hook_may_refuse_a_connection_in_silence(ApplicationScheduling scheduling)
    {
        var allowed = IPAddress.Parse("127.0.0.3");
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options => options.EndpointDefaults.ConfigureAcceptedSocket = context =>
            {
                if (!((IPEndPoint)context.RemoteEndPoint).Address.Equals(allowed))
                {
                    context.Refuse();
                }
            },
        });

        using var refused = await server.ConnectAsync();
        await refused.ExpectFinAsync();
        using var served = await server.ConnectAsync(socket => socket.Bind(new IPEndPoint(allowed, 0)));
        await Echo.RoundTripAsync(served);

        Assert.DoesNotContain(
            server.Logs.Entries, static entry => entry.EventId.Name == "ConfigureAcceptedSocketFailed");
    }

    // More than are accepted in one go, with a connection on the only loop that must get its turns.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flood_of_refused_connections_is_worked_off(ApplicationScheduling scheduling)
    {
        var allowed = IPAddress.Parse("127.0.0.3");
        var refusals = 0;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 1;
                options.EndpointDefaults.ConfigureAcceptedSocket = context =>
                {
                    if (!((IPEndPoint)context.RemoteEndPoint).Address.Equals(allowed))
                    {
                        Interlocked.Increment(ref refusals);
                        context.Refuse();
                    }
                };
            },
        });
        using var served = await server.ConnectAsync(socket => socket.Bind(new IPEndPoint(allowed, 0)));

        var flood = Parallel.ForAsync(0, 1000, async (_, _) =>
        {
            using var refused = await server.ConnectAsync();
            await Record.ExceptionAsync(refused.ExpectFinAsync);
        });
        for (var i = 0; i < 50 || !flood.IsCompleted; i++)
        {
            await Echo.RoundTripAsync(served);
        }

        await flood.DefaultTimeout();
        Assert.Equal(1000, refusals);
        using var last = await server.ConnectAsync(socket => socket.Bind(new IPEndPoint(allowed, 0)));
        await Echo.RoundTripAsync(last);
    }

    // A name of 108 bytes has no room for a zero, and the kernel reports one byte more than sockaddr_un has.
    [Fact]
    public async Task The_longest_name_of_a_Unix_client_is_no_obstacle()
    {
        using var path = new SocketPath();
        var name = Path.Combine(Path.GetDirectoryName(path.Path)!, "");
        name += "/" + new string('c', 107 - name.Length);
        EndPoint? seen = null;
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            options => options.EndpointDefaults.ConfigureAcceptedSocket = context => seen = context.RemoteEndPoint);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await using var pair = await transport.ConnectAsync(
            listener, socket => Libc.BindUnix((int)socket.Handle, name));

        Assert.Equal(name, pair.Connection.RemoteEndPoint!.ToString());
        Assert.Equal(name, seen!.ToString());
        Assert.DoesNotContain(transport.Logs.Entries, static entry => entry.Level > LogLevel.Debug);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_a_hook_leaves_on_its_thread_does_not_reach_the_next(ApplicationScheduling scheduling)
    {
        var local = new AsyncLocal<string?>();
        var seen = new List<string?>();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 1;
                options.EndpointDefaults.ConfigureAcceptedSocket = context =>
                {
                    seen.Add(local.Value);
                    local.Value = "left";
                    if (seen.Count < 3)
                    {
                        context.Refuse();
                    }
                };
            },
        });
        for (var i = 0; i < 2; i++)
        {
            using var refused = await server.ConnectAsync();
            await refused.ExpectFinAsync();
        }

        using var served = await server.ConnectAsync();
        await Echo.RoundTripAsync(served);

        Assert.Equal([null, null, null], seen);
    }

    [Fact]
    public async Task The_context_is_of_no_use_after_the_hook()
    {
        AcceptedSocketContext? leaked = null;
        Socket? socket = null;
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, options => options.EndpointDefaults.ConfigureAcceptedSocket = context =>
        {
            leaked = context;
            socket = context.Socket;
        });
        await using var pair = await transport.ConnectAsync();

        Assert.Throws<ObjectDisposedException>(() => leaked!.FileDescriptor);
        Assert.Throws<ObjectDisposedException>(() => leaked!.SetOption(Libc.SOL_SOCKET, Libc.SO_PRIORITY, 1));
        Assert.Throws<ObjectDisposedException>(() => leaked!.GetOption(Libc.SOL_SOCKET, Libc.SO_PRIORITY));
        Assert.Throws<ObjectDisposedException>(() => socket!.NoDelay);

        // Disposing of it did not close the connection.
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Fact]
    public async Task An_option_that_the_kernel_refuses_is_named_by_number()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.EndpointDefaults.ConfigureListenSocket
                = static context => context.SetOption(6, 9999, 1));

        var exception = await Assert.ThrowsAsync<IOException>(() => transport.BindAsync());

        Assert.Equal(
            "ConfigureListenSocket failed for 127.0.0.1:0: option 9999 of level 6 cannot be set: Protocol not "
                + "available",
            exception.Message);
        Assert.Equal(
            SocketError.ProtocolOption,
            Assert.IsType<SocketException>(exception.InnerException, exactMatch: false).SocketErrorCode);
    }

    // Nothing was read before the hook: what the client sent first is all there afterwards.
    [Fact]
    public async Task The_hook_comes_before_the_first_byte_is_read()
    {
        var available = 0;
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            options => options.EndpointDefaults.ConfigureAcceptedSocket = context =>
            {
                // Accepted as soon as it is connected, maybe before the client has sent.
                SpinWait.SpinUntil(() => context.Socket.Available == 5, TimeSpan.FromSeconds(10));
                available = context.Socket.Available;
            });
        var listener = await transport.BindAsync();
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await client.SendAsync("hello");
        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        var result = await connection!.Transport.Input.ReadAtLeastAsync(5).DefaultTimeout();

        Assert.Equal(5, available);
        Assert.Equal(5, result.Buffer.Length);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
    }
}
