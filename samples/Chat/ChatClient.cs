using System.Net;
using System.Text;
using KestrelEventLoopTransport.Framing;
using Microsoft.AspNetCore.Connections;

namespace Chat;

/// <summary>
/// The same codec in a client that reconnects. It sends the lines that are typed, and prints messages.
/// </summary>
internal static class ChatClient
{
    public static async Task RunAsync(IPEndPoint server, FrameCodec codec, TimeSpan heartbeat)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddConsole(static console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddEventLoopClient();
        builder.Services.AddFrameClient<ChatClientHandler>(server, codec, new FrameClientOptions
        {
            MaxReconnectDelay = TimeSpan.FromSeconds(5),
            Handler = new FrameHandlerOptions { ReceiveIdleTimeout = heartbeat * 3 },
        });
        using var host = builder.Build();
        await host.StartAsync();
        var client = host.Services.GetRequiredService<FrameClient>();
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        try
        {
            while (await Task.Run(static () => Console.In.ReadLineAsync()).WaitAsync(stopping) is { } line)
            {
                await SendAsync(client, Encoding.UTF8.GetBytes(line), stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }

        // What was typed is sent before the connection closes.
        await host.StopAsync();
    }

    // While there is no connection, this waits for one.
    private static async Task SendAsync(FrameClient client, byte[] message, CancellationToken stopping)
    {
        try
        {
            await client.SendAsync(message, stopping);
        }
        catch (ConnectionAbortedException) when (!stopping.IsCancellationRequested)
        {
            Console.Error.WriteLine("The connection has ended, and the last line may be lost.");
        }
    }
}
