using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed class EchoConnectionHandler : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        try
        {
            while (true)
            {
                var read = await input.ReadAsync();
                foreach (var segment in read.Buffer)
                {
                    output.Write(segment.Span);
                }

                input.AdvanceTo(read.Buffer.End);
                var flush = await output.FlushAsync();
                if (read.IsCompleted || flush.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (ConnectionResetException)
        {
            // A load generator that is interrupted resets its connections.
        }
    }
}
