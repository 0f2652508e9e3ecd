namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed class DatagramEcho(DatagramSettings settings) : DatagramHandler
{
    private readonly byte[] _payload = new byte[settings.Size];

    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        foreach (ref readonly var datagram in datagrams)
        {
            if (settings.Burst == 0)
            {
                sender.Reply(datagram.Payload, datagram);
            }

            for (var i = 0; i < settings.Burst; i++)
            {
                sender.Reply(_payload, datagram);
            }
        }
    }
}
