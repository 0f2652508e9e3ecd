using System.CommandLine;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// The servers of build/bench-datagrams.sh. They run until they are killed.
internal static class DatagramServerCommand
{
    private const int LongestDatagram = 65_535;

    public static Command Create()
    {
        var transport = new Option<string>("--transport") { DefaultValueFactory = _ => TransportNames.EventLoop };
        transport.AcceptOnlyFromAmong(TransportNames.EventLoop, TransportNames.Sockets);
        var port = new Option<int>("--port") { Required = true };
        var burst = new Option<int>("--burst") { Description = "Answers to each datagram. 0: the datagram itself." };
        var size = new Option<int>("--size") { Description = "Bytes of each answer of a burst." };
        var offload = new Option<bool>("--offload") { Description = "Whether the kernel cuts messages (eventloop)." };
        var command = new Command("datagram-server", "Answers datagrams on the loopback interface.")
        {
            transport,
            port,
            burst,
            size,
            offload,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(
            new DatagramSettings(
                arguments.GetValue(transport)!,
                arguments.GetValue(port),
                arguments.GetValue(burst),
                arguments.GetValue(size),
                arguments.GetValue(offload)),
            cancellationToken));
        return command;
    }

    private static Task RunAsync(DatagramSettings settings, CancellationToken cancellationToken)
        => settings.Transport == TransportNames.EventLoop
            ? RunEventLoopAsync(settings, cancellationToken)
            : RunSocketsAsync(settings, cancellationToken);

    private static async Task RunEventLoopAsync(DatagramSettings settings, CancellationToken cancellationToken)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton(settings).AddDatagramEndpoint<DatagramEcho>(
            $"udp://127.0.0.1:{settings.Port}", options => options.SegmentationOffload = settings.Offload);
        using var host = builder.Build();
        await host.StartAsync(cancellationToken);
        Console.WriteLine("READY");
        await host.WaitForShutdownAsync(cancellationToken);
    }

    private static async Task RunSocketsAsync(DatagramSettings settings, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, settings.Port));
        Console.WriteLine("READY");
        var buffer = new byte[LongestDatagram].AsMemory();
        var payload = new byte[settings.Size];
        var remote = new SocketAddress(AddressFamily.InterNetwork);
        while (true)
        {
            var length = await socket.ReceiveFromAsync(buffer, SocketFlags.None, remote, cancellationToken);
            if (settings.Burst == 0)
            {
                await socket.SendToAsync(buffer[..length], SocketFlags.None, remote, cancellationToken);
            }

            for (var i = 0; i < settings.Burst; i++)
            {
                await socket.SendToAsync(payload, SocketFlags.None, remote, cancellationToken);
            }
        }
    }
}
