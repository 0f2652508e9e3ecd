using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>The same codec in a client, over a stream: sends the lines that are typed, and prints messages.</summary>
internal static class ChatClient
{
    public static async Task<int> RunAsync(IPEndPoint server, FrameCodec codec)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server);
        var stream = client.GetStream();
        var reader = new FrameReader(PipeReader.Create(stream), codec);
        var writer = new FrameWriter(PipeWriter.Create(stream), codec);
        var writing = new SemaphoreSlim(1);
        var ended = false;
        _ = Task.Run(TypeAsync);
        try
        {
            await foreach (var message in reader)
            {
                if (!message.IsEmpty)
                {
                    Console.WriteLine(Encoding.UTF8.GetString(message));
                }
                else
                {
                    await SendAsync([]);
                }
            }

            return 0;
        }
        catch (IOException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }

        async Task TypeAsync()
        {
            while (await Console.In.ReadLineAsync() is { } line)
            {
                await SendAsync(Encoding.UTF8.GetBytes(line));
            }

            await writing.WaitAsync();
            ended = true;
            client.Client.Shutdown(SocketShutdown.Send);
            writing.Release();
        }

        // Heart-beats are answered on another thread than lines are sent. A PipeWriter takes one thread at a time.
        async Task SendAsync(byte[] message)
        {
            await writing.WaitAsync();
            try
            {
                if (!ended)
                {
                    await writer.WriteAsync(message);
                }
            }
            finally
            {
                writing.Release();
            }
        }
    }
}
